"""Weights files and training checkpoints."""
