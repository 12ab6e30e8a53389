"""The RQ worker, which forks executors, and what it needs to know of its machine."""

__all__: list[str] = []
