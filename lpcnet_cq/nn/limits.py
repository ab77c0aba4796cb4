"""Limits of decoded signals, for every runtime."""

MAX_OUTPUT = 1000.0  # amplitude, full scale 1: far above the output of any stream that an encoder writes
