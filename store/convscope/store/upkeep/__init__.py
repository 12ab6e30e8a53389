"""What keeps the store in order: lost attempts, and what is not needed any more."""

__all__: list[str] = []
