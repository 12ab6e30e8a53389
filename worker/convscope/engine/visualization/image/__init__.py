"""What is optimized: how parameters make an image, how it is transformed and regularized."""

__all__: list[str] = []
