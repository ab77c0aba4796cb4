"""The signal model of speech in NumPy: mirror of `lpcnet_cq.speech`, file by file."""
