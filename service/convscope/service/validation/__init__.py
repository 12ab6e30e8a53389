"""Validates specs before they are stored: checks every field, and fills in every default."""

from convscope.service.validation.plan import Plan, plan_job, plan_late, request_digest

__all__ = ["Plan", "plan_job", "plan_late", "request_digest"]
