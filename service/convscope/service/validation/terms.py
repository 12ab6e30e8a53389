"""Checks of an objective's terms."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from convscope.service.validation.checks import Checks, Limits, exact
from convscope.service.validation.layers import find_convolution, find_layer
from convscope.v1.feature_pb2 import Feature
from convscope.v1.models_pb2 import Layer
from convscope.v1.objective_pb2 import DirectionTerm, DiversityTerm, LayerTerm, NeuronTerm, Tap, Term

__all__ = ["check_term"]

# Of weights and of a direction's largest component, whatever their sign: float32 can compute with these. Components are
# float32 themselves, and of those the nearest to 1e-6 is a little smaller.
MAGNITUDE = Limits(1e-6, 1e6)
LARGEST = Limits(float(np.float32(1e-6)), 1e6)


def check_term(term: Term, layers: Sequence[Layer], checks: Checks) -> None:
    """Check a term, and fill in its defaults."""
    if not term.HasField("weight"):
        term.weight = 1.0
    if not MAGNITUDE.allow(abs(term.weight)):
        checks.refuse("weight", f"must be {MAGNITUDE}, or the same below 0, not {exact(term.weight)}")
    what = term.WhichOneof("what")
    if what is None:
        checks.refuse("what", f"is required: one of {', '.join(CHECKS)}")
    else:
        CHECKS[what](getattr(term, what), layers, checks.inside(what))
    if what == "diversity" and term.tap != Tap.TAP_UNSPECIFIED:
        checks.refuse("tap", "must not be set for diversity")
    elif what != "diversity":
        checks.choice(term, "tap", Tap.DESCRIPTOR, default=Tap.TAP_PRE_ACTIVATION)


def _check_feature(feature: Feature, layers: Sequence[Layer], checks: Checks) -> None:
    layer = find_layer(feature.layer, layers, checks, field="layer")
    if layer is not None:
        checks.number(feature, "index", 0, layer.features - 1)


def _check_neuron(term: NeuronTerm, layers: Sequence[Layer], checks: Checks) -> None:
    inside = checks.inside("feature")
    layer = find_convolution(term.feature.layer, layers, inside, field="layer")
    if layer is not None:
        height, width, channels = layer.output_shape
        inside.number(term.feature, "index", 0, channels - 1)
        checks.number(term, "row", 0, height - 1, default=height // 2)
        checks.number(term, "column", 0, width - 1, default=width // 2)


def _check_direction(term: DirectionTerm, layers: Sequence[Layer], checks: Checks) -> None:
    layer = find_layer(term.layer, layers, checks, field="layer")
    if layer is not None and len(term.vector) != layer.features:
        described = f"must have {layer.features:,} components, one for each feature of {layer.name}"
        checks.refuse("vector", f"{described}, not {len(term.vector):,}")
    for index, component in enumerate(term.vector):
        if not math.isfinite(component):
            checks.refuse(f"vector[{index}]", f"must be a finite number, not {component:g}")
            return
    largest = max(map(abs, term.vector), default=1.0)
    if not LARGEST.allow(largest):
        checks.refuse("vector", f"must have a largest component of {LARGEST}, whatever its sign, not {exact(largest)}")


def _check_layer(term: LayerTerm, layers: Sequence[Layer], checks: Checks) -> None:
    find_layer(term.layer, layers, checks, field="layer")


def _check_diversity(term: DiversityTerm, layers: Sequence[Layer], checks: Checks) -> None:
    find_convolution(term.layer, layers, checks, field="layer")


# By the field of the term.
CHECKS: Final[Mapping[str, Callable[[Any, Sequence[Layer], Checks], None]]] = {
    "feature": _check_feature,
    "neuron": _check_neuron,
    "layer": _check_layer,
    "direction": _check_direction,
    "diversity": _check_diversity,
}
