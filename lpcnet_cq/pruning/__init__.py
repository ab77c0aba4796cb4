"""Sparse weights: compressed-sensing pruning and its baselines."""
