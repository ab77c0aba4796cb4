"""Measurement: quality, speed, complexity, plots."""
