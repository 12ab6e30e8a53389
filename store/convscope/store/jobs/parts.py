"""The parts of a job that are under way, as its record has them."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["PartRecord", "read_parts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRecord:
    """A part that is queued or running.

    Attributes:
        state: ``queued`` or ``running``.
        attempt: number of the latest attempt, from 1; 0 if there was none.
        holder: name of the worker that computes it, or ``""``.
        carrier: the queue's entry that the worker's horse was forked for, or ``""``.
    """

    state: str
    attempt: int = 0
    holder: str = ""
    carrier: str = ""


def read_parts(fields: Mapping[bytes, bytes]) -> dict[int, PartRecord]:
    """Return the parts in a hash of their fields, by number; those that are in no state are left out."""
    numbers = [int(name[6:]) for name in fields if name.startswith(b"state:")]
    return {
        number: PartRecord(
            state=fields[b"state:%d" % number].decode(),
            attempt=int(fields.get(b"attempt:%d" % number, b"0")),
            holder=fields.get(b"holder:%d" % number, b"").decode(),
            carrier=fields.get(b"carrier:%d" % number, b"").decode(),
        )
        for number in sorted(numbers)
    }
