"""Checks of selections beyond the rules: each becomes a layer's name and a list of its features."""

from collections.abc import Sequence

from convscope.service.validation.checks import Checks
from convscope.service.validation.layers import find_layer, visible_layers
from convscope.v1.models_pb2 import Layer, LayerKind
from convscope.v1.visualize_pb2 import FeatureList, LayerSelection, VisualizeSpec

__all__ = ["check_selections"]


def check_selections(spec: VisualizeSpec, layers: Sequence[Layer], checks: Checks) -> None:
    """Expand selections to layers and features; the default is everything, unless there are objectives."""
    if checks.refused("selections"):
        return
    visible = visible_layers(layers)
    selections = list(spec.selections)
    if not selections and not spec.objectives:
        selections = [LayerSelection(name=layer.name) for layer in visible]
    chosen: dict[str, set[int]] = {}
    for index, selection in enumerate(selections):
        inside = checks.inside(f"selections[{index}]")
        layer = _layer(selection, layers, inside)
        if layer is not None:
            chosen.setdefault(layer.name, set()).update(_features(selection, layer, inside))
    if checks.right("selections"):
        del spec.selections[:]
        spec.selections.extend(
            LayerSelection(name=name, list=FeatureList(indices=sorted(features))) for name, features in chosen.items()
        )


def _layer(selection: LayerSelection, layers: Sequence[Layer], checks: Checks) -> Layer | None:
    match selection.WhichOneof("layer"):
        case "name":
            return find_layer(selection.name, layers, checks, field="name")
        case "convolution":
            return _convolution(selection.convolution, layers, checks)
    return None  # a rule refuses it


def _convolution(index: int, layers: Sequence[Layer], checks: Checks) -> Layer | None:
    if not checks.right("convolution"):
        return None
    convolutions = [layer for layer in visible_layers(layers) if layer.kind == LayerKind.LAYER_KIND_CONVOLUTION]
    if index < len(convolutions):
        return convolutions[index]
    allowed = f"0 to {len(convolutions) - 1}" if convolutions else "none: the model has no convolution"
    checks.refuse("convolution", f"{index} is not the index of a convolution; allowed: {allowed}")
    return None


def _features(selection: LayerSelection, layer: Layer, checks: Checks) -> Sequence[int]:
    which = selection.WhichOneof("features")
    if which is None:
        return range(layer.feature_count)
    if which == "range":
        return _range(selection.range.start, selection.range.stop, layer, checks)
    if not checks.right("list"):
        return ()
    for index, feature in enumerate(selection.list.indices):
        if feature >= layer.feature_count:
            description = f"{feature} is not a feature of {layer.name}; allowed: 0 to {layer.feature_count - 1}"
            checks.refuse(f"list.indices[{index}]", description)
            break
    return selection.list.indices


def _range(start: int, stop: int, layer: Layer, checks: Checks) -> Sequence[int]:
    if not checks.right("range"):
        return ()
    if start < layer.feature_count and start < stop <= layer.feature_count:
        return range(start, stop)
    if start >= layer.feature_count:
        checks.refuse("range.start", f"must be 0 to {layer.feature_count - 1} for {layer.name}, not {start}")
    else:
        checks.refuse("range.stop", f"must be {start + 1} to {layer.feature_count} for {layer.name}, not {stop}")
    return ()
