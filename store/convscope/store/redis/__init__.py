"""Redis: keys, connections and the scripts that run inside it."""

__all__: list[str] = []
