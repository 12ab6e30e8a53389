"""The optimized image: its parameters, transforms and regularizers."""

__all__: list[str] = []
