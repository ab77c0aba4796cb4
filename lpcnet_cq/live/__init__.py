"""Live coding: one packet after the other."""
