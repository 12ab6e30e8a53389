"""The RQ worker, which forks the processes that compute, and what it knows of its machine."""

__all__: list[str] = []
