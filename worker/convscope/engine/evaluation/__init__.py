"""How well a model classifies labelled images."""

__all__: list[str] = []
