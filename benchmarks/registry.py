"""All families of figures, in the order in which they are measured and shown."""

from benchmarks import (
    accuracy,
    ascents,
    client_costs,
    dispatch,
    events,
    keeping,
    latency,
    recovery,
    robustness,
    side_by_side,
    spread,
    store_costs,
    training,
    visualization,
    warm,
)
from benchmarks.figures import Family, Figure

__all__ = ["FAMILIES", "figures"]

FAMILIES: tuple[Family, ...] = (
    training.FAMILY,
    accuracy.FAMILY,
    visualization.FAMILY,
    ascents.FAMILY,
    robustness.FAMILY,
    latency.FAMILY,
    client_costs.FAMILY,
    events.FAMILY,
    keeping.FAMILY,
    recovery.FAMILY,
    spread.FAMILY,
    side_by_side.FAMILY,
    dispatch.FAMILY,
    warm.FAMILY,
    store_costs.FAMILY,
)


def figures() -> dict[str, Figure]:
    """Return all figures by name."""
    return {figure.name: figure for family in FAMILIES for figure in family.figures}
