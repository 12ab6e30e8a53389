"""Objectives, and their values and gradients in a network."""

__all__: list[str] = []
