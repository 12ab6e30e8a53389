"""The lines that programs print when they accept calls: the service, which ``convscope up`` waits for, and itself."""

__all__ = ["ANNOUNCED", "READY"]

# The address that clients connect to follows.
ANNOUNCED = "convscope serves at "
READY = "convscope is ready at "
