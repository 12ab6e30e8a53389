"""How an objective is climbed: optimizers, chunks, and what memory allows."""

__all__: list[str] = []
