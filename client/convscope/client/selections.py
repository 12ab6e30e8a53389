"""Which layers and features to visualize, in forms that are handy in Python."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from convscope.client import checks
from convscope.client.errors import InvalidType, InvalidValue
from convscope.v1 import visualize_pb2

__all__ = ["Features", "Layers", "asked_features", "feature_numbers", "objective_names", "selections"]

# All features, one, several, or a contiguous range.
Features: TypeAlias = int | range | slice | Iterable[int] | None
# All layers, one by name or by index among the convolutions, several, or some with their features.
Layers: TypeAlias = (
    str
    | int
    | Sequence[str | int]
    | Mapping[str | int, Features]
    | Mapping[str, Features]
    | Mapping[int, Features]
    | None
)


def selections(layers: Layers) -> list[visualize_pb2.LayerSelection]:
    """Return the messages of a choice of layers; none at all means every feature of every layer that has some.

    Raises:
        InvalidValue: An empty choice, a negative or open-ended slice, a number too large.
        InvalidType: Something that names no layer or feature.
    """
    if layers is None:
        return []
    if isinstance(layers, Mapping):
        chosen = [_selection(layer, features) for layer, features in layers.items()]
    elif isinstance(layers, Iterable) and not isinstance(layers, str | bytes):
        chosen = [_selection(layer, None) for layer in layers]
    else:
        chosen = [_selection(layers, None)]
    if not chosen:
        raise InvalidValue("layers: none is chosen; leave it out for all of them")
    return chosen


def asked_features(spec: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return the layers and features of a visualization's spec, as the server fills it in, then its objectives."""
    chosen = [(selection.get("name", ""), selection.get("list", {})) for selection in spec.get("selections", ())]
    asked = [(layer, feature) for layer, features in chosen for feature in features.get("indices", ())]
    return asked + [(name, 0) for name in objective_names(spec)]


def objective_names(spec: Mapping[str, Any]) -> list[str]:
    """Return the names that the images of a visualization's objectives have."""
    return [entry.get("name") or f"objectives[{index}]" for index, entry in enumerate(spec.get("objectives", ()))]


def feature_numbers(field: str, features: Features) -> list[int]:
    """Return the numbers of a choice of features, as they were given; none at all means every feature.

    Raises:
        InvalidValue: An empty choice, a negative or open-ended slice, a number too large.
        InvalidType: Something that is not a feature.
    """
    if _is_everything(features):
        return []
    return _numbers(field, _bounded(field, features) if isinstance(features, slice) else features)


def _selection(layer: object, features: Features) -> visualize_pb2.LayerSelection:
    if isinstance(layer, str):
        message = visualize_pb2.LayerSelection(name=checks.text("layers", layer))
    else:
        try:
            message = visualize_pb2.LayerSelection(convolution=checks.int32("layers", layer))
        except InvalidType:
            raise InvalidType(f"layers: {layer!r} is neither a name nor an index among the convolutions") from None
    _choose(message, f"layers[{layer!r}]", features)
    return message


def _choose(message: visualize_pb2.LayerSelection, field: str, features: Features) -> None:
    if _is_everything(features):
        return
    if isinstance(features, slice):
        features = _bounded(field, features)
    if isinstance(features, range) and features.step == 1 and len(features):
        start, stop = checks.int32(field, features.start), checks.int32(field, features.stop)
        message.range.CopyFrom(visualize_pb2.FeatureRange(start=start, stop=stop))
        return
    message.list.indices.extend(_numbers(field, features))


def _is_everything(features: Features) -> bool:
    return features is None or (isinstance(features, slice) and features == slice(None))


def _bounded(field: str, features: slice) -> range:
    """Return the range of a slice, which cannot count from an end that is not known here."""
    start = 0 if features.start is None else checks.int32(field, features.start)
    step = 1 if features.step is None else checks.int32(field, features.step)
    if features.stop is None or step < 1 or min(start, checks.int32(field, features.stop)) < 0:
        raise InvalidValue(f"{field}: {features} needs an end and bounds that count from the front")
    return range(start, features.stop, step)


def _numbers(field: str, features: object) -> list[int]:
    if isinstance(features, str | bytes | Mapping):
        raise InvalidType(f"{field}: {features!r} is neither a number nor a list or range of them")
    if not isinstance(features, Iterable):
        return [checks.int32(field, features)]
    numbers = [checks.int32(field, feature) for feature in features]
    if not numbers:
        raise InvalidValue(f"{field}: no feature is chosen; give None for all of them")
    return numbers
