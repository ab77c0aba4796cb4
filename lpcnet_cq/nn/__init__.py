"""Network layers that speech and music share, and the compiled code around them."""
