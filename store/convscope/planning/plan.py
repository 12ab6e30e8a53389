"""The plan of a visualization: which part computes what, in chunks of which size."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from convscope.planning.cost import Costs
from convscope.planning.errors import NewerPlanError
from convscope.planning.parts import PART_S, cut
from convscope.planning.segments import Segment
from convscope.planning.targets import targets
from convscope.v1.models_pb2 import Layer
from convscope.v1.visualize_pb2 import VisualizeSpec

__all__ = ["VisualizationPlan", "plan_visualization"]

# Of the form of a plan; to be raised whenever older workers would read a plan as another one. Before there were
# versions, none was written.
VERSION: Final = 2


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
        found = {"version": VERSION, "rows": self.rows, "parts": parts}
        return json.dumps(found, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "VisualizationPlan":
        """Read what ``to_bytes`` wrote, also before features could be parted.

        Raises:
            NewerPlanError: if a newer version wrote it.
        """
        found = json.loads(data)
        if found.get("version", VERSION) > VERSION:
            raise NewerPlanError(f"plans of version {found['version']}")
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
