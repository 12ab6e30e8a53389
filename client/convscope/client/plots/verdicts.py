"""Warnings in a figure about images that cannot be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convscope.client.enums import Outcome
from convscope.client.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from convscope.client.verdicts import Verdict

__all__ = ["check_verdicts", "warning"]


def check_verdicts(verdicts: Sequence[Verdict | None] | None, count: int) -> None:
    """Raise InvalidValue unless there are as many verdicts as images, or none."""
    if verdicts is not None and len(verdicts) != count:
        raise InvalidValue(f"verdicts: {len(verdicts)} for {count} images")


def warning(verdict: Verdict | None) -> str:
    """Return what to write below an image, in one line or two; nothing unless its verdict is a warning."""
    return "" if verdict is None or verdict.outcome is Outcome.NORMAL else str(verdict).replace(", ", "\n")
