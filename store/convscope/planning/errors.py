"""What planning can refuse."""

__all__ = ["NewerPlanError"]


class NewerPlanError(ValueError):
    """A newer version of the software wrote the plan."""
