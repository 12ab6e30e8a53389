"""The share of a target that a part computes."""

from dataclasses import dataclass

from convscope.planning.targets import Target

__all__ = ["Segment"]


@dataclass(frozen=True, slots=True)
class Segment:
    """Some features of a target with all of their restarts, or some restarts of one feature.

    Attributes:
        target: index of the target, from 0.
        start: index of the first feature among the target's requested features.
        count: number of features from there on.
        first: the first restart.
        restarts: number of restarts from there on; None if features have all of theirs.
    """

    target: int
    start: int
    count: int
    first: int = 0
    restarts: int | None = None

    def features(self, target: Target) -> tuple[int, ...]:
        """Return the target's features that are in this segment, ascending."""
        return target.features[self.start : self.start + self.count]

    def runs(self, target: Target) -> list[range]:
        """Return the numbers of the target's ascents that are in this segment, by feature: see ``Target.items``."""
        stop = target.restarts if self.restarts is None else self.first + self.restarts
        return [target.items(feature)[self.first : stop] for feature in self.features(target)]

    def joined(self, other: "Segment", target: Target) -> "Segment | None":
        """Return this segment merged with a later one; None if they cannot be one segment."""
        if self.target != other.target:
            return None
        if self.restarts is None and other.restarts is None and self.start + self.count == other.start:
            return Segment(self.target, self.start, self.count + other.count)
        if self.restarts is None or other.restarts is None:
            return None
        if (self.start, self.first + self.restarts) != (other.start, other.first):
            return None
        restarts = self.restarts + other.restarts
        whole = restarts == target.restarts
        return Segment(self.target, self.start, 1, self.first, None if whole else restarts)
