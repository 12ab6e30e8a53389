"""Measures the project beside the tutorial's own way of working; run by scripts/bench."""
