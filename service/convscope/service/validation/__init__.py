"""Checks of specs: every field in range, every default filled in, before anything is stored."""

from convscope.service.validation.plan import Plan, plan_job, plan_late, request_digest

__all__ = ["Plan", "plan_job", "plan_late", "request_digest"]
