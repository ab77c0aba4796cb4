"""Audio files and samples before and after coding: reading, writing, sample rates, levels, checks."""
