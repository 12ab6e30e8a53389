"""Checks of an objective's terms beyond the rules: the model must have what they name."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from convscope.service.validation.checks import Checks
from convscope.service.validation.layers import find_convolution, find_layer
from convscope.v1.feature_pb2 import Feature
from convscope.v1.models_pb2 import Layer
from convscope.v1.objective_pb2 import DirectionTerm, DiversityTerm, LayerTerm, NeuronTerm, Tap, Term

__all__ = ["check_term"]

# Lower bound of the largest magnitude of a direction's components, so that float32 can compute with it. Components are
# float32 themselves, and the float32 nearest to 1e-6 is a little smaller.
LEAST_LARGEST: Final = float(np.float32(1e-6))


def check_term(term: Term, layers: Sequence[Layer], checks: Checks) -> None:
    """Check a term, and fill in its tap."""
    kind = term.WhichOneof("what")
    if kind is not None:  # else a rule refuses it
        CHECKS[kind](getattr(term, kind), layers, checks.inside(kind))
    if kind != "diversity":
        term.tap = term.tap or Tap.TAP_PRE_ACTIVATION
    elif term.tap and checks.right("tap"):
        checks.refuse("tap", "must not be set for diversity")


def _check_feature(feature: Feature, layers: Sequence[Layer], checks: Checks) -> None:
    layer = find_layer(feature.layer, layers, checks, field="layer")
    if layer is not None:
        checks.within(feature, "index", 0, layer.feature_count - 1)


def _check_neuron(term: NeuronTerm, layers: Sequence[Layer], checks: Checks) -> None:
    inside = checks.inside("feature")
    layer = find_convolution(term.feature.layer, layers, inside, field="layer")
    if layer is not None:
        height, width, channels = layer.output_shape
        inside.within(term.feature, "index", 0, channels - 1)
        for field, size in (("row", height), ("column", width)):
            if not term.HasField(field):  # type: ignore[arg-type]  # both are fields
                setattr(term, field, size // 2)
            checks.within(term, field, 0, size - 1)


def _check_direction(term: DirectionTerm, layers: Sequence[Layer], checks: Checks) -> None:
    layer = find_layer(term.layer, layers, checks, field="layer")
    if layer is not None and len(term.vector) != layer.feature_count and not checks.refused("vector"):
        expected = f"must have {layer.feature_count:,} components, one for each feature of {layer.name}"
        checks.refuse("vector", f"{expected}, not {len(term.vector):,}")
    largest = max(map(abs, term.vector), default=LEAST_LARGEST)
    if checks.right("vector") and largest < LEAST_LARGEST:
        checks.refuse("vector", f"must have a largest component of at least 1e-06, whatever its sign, not {largest!r}")


def _check_layer(term: LayerTerm, layers: Sequence[Layer], checks: Checks) -> None:
    find_layer(term.layer, layers, checks, field="layer")


def _check_diversity(term: DiversityTerm, layers: Sequence[Layer], checks: Checks) -> None:
    find_convolution(term.layer, layers, checks, field="layer")


# Checks by the term's field.
CHECKS: Final[Mapping[str, Callable[[Any, Sequence[Layer], Checks], None]]] = {
    "feature": _check_feature,
    "neuron": _check_neuron,
    "layer": _check_layer,
    "direction": _check_direction,
    "diversity": _check_diversity,
}
