"""The signal model of music in NumPy: mirror of `lpcnet_cq.music`, file by file."""
