"""What planning can refuse."""

__all__ = ["OtherPlanningError"]


class OtherPlanningError(ValueError):
    """Another version of planning has cut the job into parts."""
