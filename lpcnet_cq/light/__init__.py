"""Runtime of NumPy and SciPy: encoders and decoders of trained codecs, without JAX."""
