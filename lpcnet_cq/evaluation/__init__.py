"""Evaluation: quality metrics, speed, complexity, tables and plots."""
