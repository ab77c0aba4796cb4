"""Integers to bytes: entropy model, range coder, packets, container, rate control. NumPy only."""
