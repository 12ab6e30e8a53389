"""Models: networks built and described, Keras files read, checked and written."""

__all__: list[str] = []
