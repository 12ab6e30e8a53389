"""What all computations share: threads, memory, randomness, pulses."""

__all__: list[str] = []
