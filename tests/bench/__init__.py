"""Measurements: `make bench` runs all of them. Figures, never assertions."""
