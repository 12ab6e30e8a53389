"""What the service says when it accepts calls; ``convscope up`` reads it."""

__all__ = ["ANNOUNCED"]

# An address follows that leads here.
ANNOUNCED = "convscope serves at "
