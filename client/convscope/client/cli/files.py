"""Saving results as files."""

import os
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from convscope.client import plots
from convscope.client.evaluation import EvaluateResult
from convscope.client.images import Image, OptimizedImage, Trace
from convscope.client.results import ImageStack, LayerImages, VisualizeResult
from convscope.client.saving import atomic_write

__all__ = ["Step", "check_folder", "has_grids", "save_evaluation", "save_grids", "save_images"]

# Numbers of channels that can be drawn: grey and colour.
DRAWN = (1, 3)

# Characters besides control characters that are percent-escaped in the names of arrays and files, as in exports.
_IN_NAMES = r"%/\\#"

# Called as each step of a long work begins, with its number from 1, the number of steps, and its name.
Step: TypeAlias = Callable[[int, int, str], None]


def check_folder(folder: Path) -> None:
    """Check, before anything is computed, that files can be saved in a folder.

    Raises:
        OSError: It is not a folder, or cannot be created or written.
    """
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(20, "not a folder", str(nearest))
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise PermissionError(13, "a folder that cannot be written", str(nearest))


def save_evaluation(result: EvaluateResult, folder: Path) -> list[Path]:
    """Draw the confusion matrix and the first nine errors; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    errors, names = result.errors, result.classes.names
    true, predicted = ([names[number] for number in numbers[:9]] for numbers in (errors.true, errors.predicted))
    files = [folder / "confusion-matrix.png", folder / "example-errors.png"]
    _save_figure(plots.plot_confusion_matrix(result.confusion_matrix, names), files[0])
    _save_figure(plots.plot_images(errors.images[:9], true, predicted), files[1])
    return files


def save_images(result: VisualizeResult, file: Path, step: Step | None = None) -> Path:
    """Save every array of a visualization in one .npz file; only one layer's images are stacked at a time.

    For each layer: ``conv1/features``, ``conv1/restarts`` and ``conv1/verdicts`` (text), then ``final`` and ``best``,
    each with ``pixels``, ``objective``, ``predicted_class``, ``probability`` and ``iteration``
    (``conv1/best/pixels``); if there are any, ``trace`` with its figures, and ``frames`` with those of ``best`` and one
    more axis. In the name of a layer, ``%``, slashes, ``#`` and control characters are escaped as in URLs.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(file) as opened, zipfile.ZipFile(opened, "w", zipfile.ZIP_DEFLATED) as archive:
        for layer in _announced(result.layers, step):
            _add_layer(archive, _escaped(layer, _IN_NAMES), [image for image in result.images if image.layer == layer])
    return file


def has_grids(result: VisualizeResult) -> bool:
    """Return whether the images have colours that they can be drawn in."""
    return result.images[0].best.pixels.shape[-1] in DRAWN


def save_grids(result: VisualizeResult, folder: Path, step: Step | None = None) -> list[Path]:
    """Draw each layer's best images as a grid; return the files, none where images have no colours to be drawn in.

    Of very many images the first are drawn, as ``plots`` says. A file is named after the layer, escaped as in
    ``save_images``.
    """
    if not has_grids(result):
        return []
    folder.mkdir(parents=True, exist_ok=True)
    files = {layer: folder / f"{_escaped(layer, _IN_NAMES)}.png" for layer in result.layers}
    for layer in _announced(result.layers, step):
        _save_figure(_grid(result.layer(layer)), files[layer])
    return list(files.values())


def _announced(layers: Sequence[str], step: Step | None) -> Iterator[str]:
    """Yield the layers one after another, and call ``step`` as each begins."""
    for number, layer in enumerate(layers, start=1):
        if step:
            step(number, len(layers), _escaped(layer, ""))
        yield layer


def _add_layer(archive: zipfile.ZipFile, name: str, images: list[Image]) -> None:
    """Add all arrays of a layer under its name in the archive."""
    _add(archive, f"{name}/features", np.array([image.feature for image in images], np.int32))
    _add(archive, f"{name}/restarts", np.array([image.restart for image in images], np.int32))
    _add(archive, f"{name}/verdicts", np.array([str(image.verdict or "") for image in images]))
    _add_stack(archive, f"{name}/final", [image.final for image in images])
    _add_stack(archive, f"{name}/best", [image.best for image in images])
    for name_of, array in _frames(images).items():
        _add(archive, f"{name}/frames/{name_of}", array)
    for trace, array in _traces([image.trace for image in images]).items():
        _add(archive, f"{name}/trace/{trace}", array)


def _add_stack(archive: zipfile.ZipFile, name: str, images: list[OptimizedImage]) -> None:
    stack = ImageStack.of(images)
    for field in ImageStack.__dataclass_fields__:
        _add(archive, f"{name}/{field}", getattr(stack, field))


def _add(archive: zipfile.ZipFile, name: str, array: NDArray[Any]) -> None:
    """Add an array as ``numpy.savez_compressed`` does, but one at a time."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        npy.write_array(member, array, allow_pickle=False)


def _save_figure(figure: Any, file: Path) -> None:
    with atomic_write(file) as opened:
        figure.savefig(opened, format="png")


def _escaped(name: str, characters: str) -> str:
    """Return a name with control characters and some others escaped; ``urllib.parse.unquote`` restores it."""
    return re.sub(rf"[{characters}\x00-\x1f\x7f]", lambda match: f"%{ord(match[0]):02X}", name)


def _grid(layer: LayerImages) -> Any:
    """Return a figure with all images of a layer."""
    title = _escaped(layer.layer, "")
    if len(np.unique(layer.features)) < len(layer.features):
        return plots.plot_restarts(layer, title=title)
    labels: list[str] | NDArray[np.int32] = [""] if layer.is_objective else layer.features
    return plots.plot_features(layer.best.pixels, labels, verdicts=layer.verdicts, title=title)


def _frames(images: list[Image]) -> dict[str, NDArray[Any]]:
    """Return each figure of the frames as [features, frames, ...]."""
    stacks = [ImageStack.of(image.frames) for image in images if image.frames]
    return {
        name: np.stack([getattr(stack, name) for stack in stacks]) for name in ImageStack.__dataclass_fields__ if stacks
    }


def _traces(traces: list[Trace | None]) -> dict[str, NDArray[Any]]:
    """Return each figure of the traces as [features, iterations]."""
    kept = [trace for trace in traces if trace is not None]
    if not kept:
        return {}
    figures = {name: [getattr(trace, name) for trace in kept] for name in Trace.__dataclass_fields__}
    return {name: np.stack(arrays) for name, arrays in figures.items() if arrays[0] is not None}
