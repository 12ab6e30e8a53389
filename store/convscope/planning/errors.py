"""Errors of planning."""

__all__ = ["OtherPlanningError"]


class OtherPlanningError(ValueError):
    """Another version of planning cut the job into parts."""
