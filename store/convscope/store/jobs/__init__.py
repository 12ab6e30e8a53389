"""Jobs: records, parts and attempts, event logs and images."""

__all__: list[str] = []
