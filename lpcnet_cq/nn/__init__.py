"""Network layers, quantisers and compiled code that the codecs share."""
