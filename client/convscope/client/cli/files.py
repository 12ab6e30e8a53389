"""Saving results as files."""

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.client import plots
from convscope.client.evaluation import EvaluateResult
from convscope.client.exporting import written
from convscope.client.images import Trace
from convscope.client.results import ImageStack, LayerImages, VisualizeResult

__all__ = ["check_folder", "save_evaluation", "save_grids", "save_images"]

# Numbers of channels that can be drawn: grey and colour.
DRAWN = (1, 3)


def check_folder(folder: Path) -> None:
    """Tells before anything is computed what would keep files from being saved.

    Raises:
        OSError: The folder is none, or cannot be made or written.
    """
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if not there.is_dir():
        raise NotADirectoryError(20, "not a folder", str(there))
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(13, "a folder that cannot be written", str(there))


def save_evaluation(result: EvaluateResult, folder: Path) -> list[Path]:
    """Draws the confusion matrix and the first nine errors; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    errors, names = result.errors, result.classes.names
    true, predicted = ([names[number] for number in numbers[:9]] for numbers in (errors.true, errors.predicted))
    files = [folder / "confusion-matrix.png", folder / "example-errors.png"]
    _save_figure(plots.plot_confusion_matrix(result.confusion_matrix, names), files[0])
    _save_figure(plots.plot_images(errors.images[:9], true, predicted), files[1])
    return files


def save_images(result: VisualizeResult, file: Path) -> Path:
    """Saves every array of a visualization in one .npz file.

    For each layer: `conv1/features`, `conv1/restarts` and `conv1/verdicts` (text), then `final` and `best`, each with
    `pixels`, `objective`, `predicted_class`, `probability` and `iteration` (`conv1/best/pixels`), and `trace` with its
    figures if there are any. In the name of a layer, `%` and control characters are escaped as in URLs.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, NDArray[Any]] = {}
    for each in result.layers:
        layer, name = result.layer(each), _escaped(each, "%")
        arrays[f"{name}/features"] = layer.features
        arrays[f"{name}/restarts"] = layer.restarts
        arrays[f"{name}/verdicts"] = np.array([str(verdict or "") for verdict in layer.verdicts])
        for which, stack in (("final", layer.final), ("best", layer.best)):
            arrays |= {f"{name}/{which}/{field}": getattr(stack, field) for field in ImageStack.__dataclass_fields__}
        arrays |= _traces(name, [image.trace for image in result.images if image.layer == each])
    with written(file) as opened:
        np.savez_compressed(opened, allow_pickle=False, **arrays)
    return file


def save_grids(result: VisualizeResult, folder: Path) -> list[Path]:
    """Draws each layer's best images as a grid; returns the files, none where images have no colours to be drawn in.

    Of very many images the first are drawn, as `plots` says. A file has the layer's name; in it `/`, `%` and control
    characters are escaped as in URLs.
    """
    if result.images[0].best.pixels.shape[-1] not in DRAWN:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name in result.layers:
        layer = result.layer(name)
        file = folder / f"{_escaped(name, '%/')}.png"
        _save_figure(_grid(layer), file)
        files.append(file)
    return files


def _save_figure(figure: Any, file: Path) -> None:
    with written(file) as opened:
        figure.savefig(opened, format="png")


def _escaped(name: str, characters: str) -> str:
    """A name without control characters and some others, from which `urllib.parse.unquote` makes the name again."""
    return re.sub(rf"[{characters}\x00-\x1f\x7f]", lambda found: f"%{ord(found[0]):02X}", name)


def _grid(layer: LayerImages) -> Any:
    """A figure with all images of a layer."""
    title = _escaped(layer.layer, "")
    if len(np.unique(layer.features)) < len(layer.features):
        return plots.plot_restarts(layer, title=title)
    return plots.plot_features(layer.best.pixels, layer.features, verdicts=layer.verdicts, title=title)


def _traces(layer: str, traces: list[Trace | None]) -> dict[str, NDArray[Any]]:
    """Each figure of the traces as [features, iterations]."""
    found = [trace for trace in traces if trace is not None]
    if not found:
        return {}
    names = Trace.__dataclass_fields__
    return {f"{layer}/trace/{name}": np.stack([getattr(trace, name) for trace in found]) for name in names}
