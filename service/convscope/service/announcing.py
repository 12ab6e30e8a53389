"""The lines with which the service and ``convscope up`` say that they accept calls; callers wait for them."""

__all__ = ["ANNOUNCED", "READY"]

# The address that clients connect to follows.
ANNOUNCED = "convscope serves at "
READY = "convscope is ready at "
