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
    silent_store,
    spread,
    store_costs,
    training,
    unauthenticated_callers,
    visualization,
    warm,
)
from benchmarks.figures import Family, Figure

__all__ = ["FAMILIES", "QUICK", "figures"]

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
    unauthenticated_callers.FAMILY,
    silent_store.FAMILY,
)

# What --quick measures: what says most in a few minutes. Fixed, so that quick runs can be compared with each other.
QUICK: tuple[str, ...] = (
    "train-float32",
    "train-bfloat16",
    "visualize-in-process",
    "visualize-service",
    "first-event",
    "client-import",
    "client-memory",
    "event-median",
    "event-p99",
    "watchers-p99",
    "event-rate",
    "repeated-request",
    "warm-image",
    "warm-features",
    "new-model",
    "new-model-known",
    "evaluation-warm",
    "second-training",
    "claim-cost",
    "service-memory",
    "silent-store-calls",
    "silent-store-health",
)


def figures() -> dict[str, Figure]:
    """Return all figures by name."""
    return {figure.name: figure for family in FAMILIES for figure in family.figures}
