"""The plan of a visualization: which part computes what, in chunks of which size."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from convscope.store.planning.cost import Costs
from convscope.store.planning.parts import PART_S, cut
from convscope.store.planning.segments import Segment
from convscope.store.planning.targets import targets
from convscope.v1.models_pb2 import Layer
from convscope.v1.visualize_pb2 import VisualizeSpec

__all__ = ["VisualizationPlan", "plan_visualization"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VisualizationPlan:
    """Made once, when the job is, and stored with it: workers of another version compute the same.

    Attributes:
        rows: ascents in one chunk, by target.
        parts: the segments of each part.
    """

    rows: tuple[int, ...]
    parts: tuple[tuple[Segment, ...], ...]

    def to_bytes(self) -> bytes:
        """Return the plan as JSON."""
        parts = [[each.numbers for each in part] for part in self.parts]
        return json.dumps({"rows": self.rows, "parts": parts}, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "VisualizationPlan":
        """Read what ``to_bytes`` wrote, also before features could be parted."""
        found = json.loads(data)
        parts = tuple(tuple(Segment(*each) for each in part) for part in found["parts"])
        return cls(rows=tuple(found["rows"]), parts=parts)


def plan_visualization(spec: VisualizeSpec, layers: Sequence[Layer], part_seconds: float = PART_S) -> VisualizationPlan:
    """Cut a visualization into parts, at least one.

    Args:
        spec: every default filled in.
        layers: those of the model, from input to logits.
        part_seconds: how long one worker should take for a part, by estimate.

    Raises:
        ValueError: if the model lacks a layer that is named.
    """
    found = targets(spec, layers)
    parts = cut(found, Costs(spec.iterations), part_seconds)
    return VisualizationPlan(
        rows=tuple(target.rows for target in found), parts=tuple(tuple(part) for part in parts) or ((),)
    )
