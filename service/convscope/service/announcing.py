"""The line that the service prints when it accepts calls; ``convscope up`` reads it."""

__all__ = ["ANNOUNCED"]

# The address that clients connect to follows.
ANNOUNCED = "convscope serves at "
