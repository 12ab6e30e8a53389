"""Objectives of a visualization: values that are added, subtracted and weighted.

    from convscope.client import objectives

    edges = objectives.channel("conv2", 3) - 0.5 * objectives.layer("conv1")
    client.visualize(model, objectives={"edges": edges, "two": objectives.logit(2)})

All but ``logit`` and ``diversity`` take ``tap``: ``pre_activation`` (the default; even a unit that does not fire has a
gradient) or ``post_activation``. All raise InvalidValue or InvalidType for what cannot be right in any model; whether a
layer and its features exist, and the limits of the contract (magnitudes of weights and vectors are 1e-6 to 1e6, a sum
has at most 16 terms), are checked when a visualization is submitted.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import ClassVar, TypeAlias

from convscope.client import checks
from convscope.client.enums import Tap, member, to_wire
from convscope.client.errors import InvalidType, InvalidValue
from convscope.v1 import objective_pb2

__all__ = [
    "Objective",
    "Objectives",
    "Term",
    "channel",
    "direction",
    "diversity",
    "layer",
    "logit",
    "neuron",
    "objective_messages",
    "unit",
]


@dataclass(frozen=True, slots=True)
class Term:
    """A summand: what is maximized, and how much it counts.

    Attributes:
        kind: ``feature``, ``neuron``, ``layer``, ``direction`` or ``diversity``.
        fields: The fields of its message in the contract, by their paths in it.
        weight: Factor; negative to minimize.
        tap: Where the layer is tapped; None for diversity, and where the server is to choose.
    """

    kind: str
    fields: tuple[tuple[str, str | int | tuple[float, ...]], ...]
    weight: float = 1.0
    tap: Tap | None = None

    def message(self) -> objective_pb2.Term:
        """Return the term as the contract has it."""
        term = objective_pb2.Term(weight=self.weight)
        if self.tap is not None:
            term.tap = to_wire(Tap, objective_pb2.Tap.Value, "tap", self.tap)
        objective = getattr(term, self.kind)
        objective.SetInParent()
        for path, value in self.fields:
            *outer, name = path.split(".")
            inner = reduce(getattr, outer, objective)
            if isinstance(value, tuple):
                getattr(inner, name).extend(value)
            else:
                setattr(inner, name, value)
        return term


@dataclass(frozen=True, slots=True)
class Objective:
    """A weighted sum of terms. Objectives are values: ``+``, ``-``, ``*`` and ``/`` make new ones."""

    terms: tuple[Term, ...]

    # Makes NumPy's numbers leave multiplication to this class instead of treating an objective as an array.
    __array_ufunc__: ClassVar[None] = None

    def __add__(self, other: object) -> "Objective":
        if not isinstance(other, Objective):
            return NotImplemented
        return Objective(self.terms + other.terms)

    def __radd__(self, other: object) -> "Objective":
        """Accept the 0 that ``sum`` begins with."""
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __sub__(self, other: object) -> "Objective":
        if not isinstance(other, Objective):
            return NotImplemented
        return self + -other

    def __mul__(self, factor: object) -> "Objective":
        if isinstance(factor, Objective):
            return NotImplemented
        number = checks.real("weight", factor)
        if not math.isfinite(number) or number == 0:
            raise InvalidValue(f"weight: {number:g} is not a finite number other than 0")
        return Objective(tuple(replace(term, weight=term.weight * number) for term in self.terms))

    __rmul__ = __mul__

    def __truediv__(self, divisor: object) -> "Objective":
        number = checks.real("weight", divisor)
        if number == 0:
            raise InvalidValue("weight: an objective cannot be divided by 0")
        return self * (1 / number)

    def __neg__(self) -> "Objective":
        return self * -1.0


# One objective, several, or several by the names that their images get.
Objectives: TypeAlias = Objective | Iterable[Objective] | Mapping[str, Objective] | None


def channel(layer: str, index: int, *, tap: str | None = None) -> Objective:
    """Maximize the mean over space of a convolution's channel, from 0; before the activation, without the bias."""
    return _one("feature", tap, layer=checks.text("layer", layer), index=checks.int32("index", index))


def unit(layer: str, index: int, *, tap: str | None = None) -> Objective:
    """Maximize a unit of a dense layer, from 0, with its bias."""
    return channel(layer, index, tap=tap)


def logit(index: int, *, layer: str = "logits") -> Objective:
    """Maximize the logit of a class, from 0; ``layer`` is the model's last one with features."""
    return channel(layer, index)


def neuron(
    layer: str, channel: int, row: int | None = None, column: int | None = None, *, tap: str | None = None
) -> Objective:
    """Maximize one position of a convolution's channel, each from 0. Default: the middle of the map."""
    place = {"row": row, "column": column}
    where: dict[str, str | int] = {
        name: checks.int32(name, value) for name, value in place.items() if value is not None
    }
    where |= {"feature.layer": checks.text("layer", layer), "feature.index": checks.int32("channel", channel)}
    return _one("neuron", tap, **where)


def layer(name: str, *, tap: str | None = None) -> Objective:
    """Maximize the mean square of a layer's output: whatever it sees in the image, more of it (DeepDream)."""
    return _one("layer", tap, layer=checks.text("name", name))


def direction(layer: str, vector: Iterable[float], *, tap: str | None = None) -> Objective:
    """Maximize the mean over space of the scalar product of a layer's output with a vector, used as given.

    Args:
        layer: Name of the layer, of F features.
        vector: F finite numbers, sent as float32.
        tap: Where the layer is tapped.

    Raises:
        InvalidValue, InvalidType: A value that cannot be right.
    """
    if isinstance(vector, str | bytes | Mapping) or not isinstance(vector, Iterable):
        raise InvalidType(f"vector: {vector!r} is not a list of numbers")
    components = tuple(checks.float32("vector", component) for component in vector)
    if not components:
        raise InvalidValue("vector: must not be empty; it has a component for each feature of the layer")
    return _one("direction", tap, layer=checks.text("layer", layer), vector=components)


def diversity(layer: str) -> Objective:
    """Maximize how little 2 to 16 restarts resemble each other in a convolution.

    Its value is minus the mean cosine similarity, -1 to 0.

    It is added to other terms; alone it is refused.
    """
    return _one("diversity", None, layer=checks.text("layer", layer))


def objective_messages(objectives: object) -> list[objective_pb2.Objective]:
    """Return the messages of a choice of objectives, ``Objectives``.

    Raises:
        InvalidType: Something that is not an objective.
        InvalidValue: An empty choice or name.
    """
    if objectives is None:
        return []
    if isinstance(objectives, Objective):
        named: list[tuple[str, object]] = [("", objectives)]
    elif isinstance(objectives, Mapping):
        named = [(checks.text("objectives", name), objective) for name, objective in objectives.items()]
    elif isinstance(objectives, Iterable) and not isinstance(objectives, str | bytes):
        named = [("", objective) for objective in objectives]
    else:
        raise InvalidType(f"objectives: {objectives!r} is neither an objective nor a list or mapping of them")
    if not named:
        raise InvalidValue("objectives: none is given; leave it out for none")
    return [_message(name, objective) for name, objective in named]


def _message(name: str, objective: object) -> objective_pb2.Objective:
    if not isinstance(objective, Objective):
        raise InvalidType(f"objectives: {objective!r} is not an objective")
    return objective_pb2.Objective(name=name, terms=[term.message() for term in objective.terms])


def _one(kind: str, tap: str | None, **fields: str | int | tuple[float, ...]) -> Objective:
    where = None if tap is None else member(Tap, "tap", tap)
    return Objective((Term(kind, tuple(fields.items()), tap=where),))
