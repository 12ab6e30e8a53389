"""Upkeep of the store: lost attempts, and jobs and files that are not needed any more."""

__all__: list[str] = []
