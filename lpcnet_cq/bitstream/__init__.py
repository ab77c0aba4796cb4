"""Bytes: range coder, packets, container, rate control. Integers and NumPy only."""
