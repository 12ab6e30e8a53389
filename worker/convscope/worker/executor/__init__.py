"""The process that computes parts of jobs, from their specs to their results."""

__all__: list[str] = []
