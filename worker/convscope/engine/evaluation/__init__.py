"""Evaluation of models on labelled images."""

__all__: list[str] = []
