"""What is known of a job when a run is over."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from convscope.v1.jobs_pb2 import Job, JobEvent

__all__ = ["Asked", "JobHistory", "Loss", "Seen"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A job that was asked for: jobs of the same recipe and kind must have the same results."""

    request_id: str
    recipe: str
    kind: str
    needs: str = ""  # the training that it waits for, by its request id

    @property
    def likeness(self) -> tuple[str, str]:
        """What jobs with the same outcome have in common."""
        return self.recipe, self.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Writes that Redis has lost: those from ``since`` to ``until``, in seconds since 1970."""

    since: float
    until: float

    def may_cover(self, since: float, until: float) -> bool:
        """Return whether what was written at some time between these two may be lost."""
        return since <= self.until and until >= self.since

    def covers(self, time: float) -> bool:
        """Return whether what was written at a time may be lost."""
        return self.since <= time <= self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Events as a watcher saw them, one after the other, and when it did, in seconds since 1970."""

    events: list[JobEvent] = field(default_factory=list)
    times: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHistory:
    """A job as it was asked for, as it was watched meanwhile, and as it is read back."""

    asked: Asked
    job: Job
    log: list[JobEvent]
    watched: list[JobEvent]
    # When the watcher saw each of these events; and what it saw before it was told that Redis had lost some of it.
    times: list[float] = field(default_factory=list)
    earlier: list[Seen] = field(default_factory=list)
    # What Redis has lost in the course of the run.
    losses: Sequence[Loss] = ()
    # The time of the run, in seconds since 1970; no clock that is wrong may be seen in the events.
    ran: tuple[float, float] = (0.0, math.inf)
    # How long it took from the acknowledged request to cancel it to its end, in seconds, and for how long of that time
    # faults were under way; None if it was not cancelled, or Redis may have lost that.
    stopped_after: float | None = None
    disturbed: float = 0.0
    # Whether the model that it made was deleted since.
    model_deleted: bool = False
    # Whether a request to cancel it was acknowledged, and that before the job had ended.
    cancelled: bool = False
    # A fingerprint of its outcome, and that of an undisturbed job like it.
    outcome: object = None
    expected: object = None
    # The state in which the training that it needs ended; 0 if it needs none.
    needs_state: int = 0
    # What the watcher complained about.
    complaints: list[str] = field(default_factory=list)
    # Of a visualization: layer and feature of every image of each part, as it is planned.
    parts: Sequence[frozenset[tuple[str, int]]] = ()

    @property
    def planned(self) -> frozenset[tuple[str, int]]:
        """Layer and feature of every image."""
        return frozenset().union(*self.parts)

    @property
    def shared(self) -> frozenset[tuple[str, int]]:
        """Those whose restarts are in several parts: the image comes when all of them have stored a candidate."""
        parts = Counter(image for part in self.parts for image in part)
        return frozenset(image for image, count in parts.items() if count > 1)

    def features_of(self, part: int) -> frozenset[tuple[str, int]]:
        """Return layer and feature of every image of a part."""
        return self.parts[part] if part < len(self.parts) else frozenset()
