"""What all computations share: threads, memory, caches, randomness, pulses."""

__all__: list[str] = []
