"""Ascents: optimizers, chunks, and what memory allows."""

__all__: list[str] = []
