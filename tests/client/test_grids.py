"""The pictures that the command line leaves of a visualization."""

import tracemalloc
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from convscope.client import Feature, Image, OptimizedImage, VisualizeResult
from convscope.client.cli import files
from convscope.client.cli.files import save_grids, save_images
from convscope.client.cli.images import _row
from convscope.v1 import visualize_pb2
from convscope.v1.feature_pb2 import ObjectiveRef
from convscope.v1.objective_pb2 import Objective
from support.stored_images import image, pixels


def named(stored: visualize_pb2.Image, objective: ObjectiveRef) -> visualize_pb2.Image:
    """Return a stored image as the service sends it."""
    stored.objective.CopyFrom(objective)
    return stored


def result(name: str, shape: tuple[int, int, int] = (6, 5, 1)) -> VisualizeResult:
    """Return one image of an objective."""
    stored = image(visualize_pb2.VisualizeSpec(objectives=[Objective(name=name)]), 0, shape)
    return VisualizeResult(images=(Image.from_wire(named(stored, ObjectiveRef(name=name))),), seconds=0.0)


@pytest.mark.parametrize("name", ["..", "a/b"])
def test_grids_are_where_they_are_announced(name: str, tmp_path: Path) -> None:
    (file,) = save_grids(result(name), tmp_path)
    assert list(tmp_path.iterdir()) == [file]


def test_layers_of_nearly_the_same_name_are_kept_apart(tmp_path: Path) -> None:
    names = ["a/b", "a_b", "a%2Fb", "a\0b", "a\0c", "a", "conv1 (2)", "$x$", r"$\frac$"]
    images = tuple(image for name in names for image in result(name).images)
    visualized = VisualizeResult(images=images, seconds=0.0)
    files = save_grids(visualized, tmp_path)
    assert [unquote(file.stem) for file in files] == names
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert [file.name for file in files if "%" not in file.name] == [
        "a_b.png",
        "a.png",
        "conv1 (2).png",
        "$x$.png",
    ]
    with np.load(save_images(visualized, tmp_path / "images.npz")) as arrays:
        kept = [unquote(name.removesuffix("/features")) for name in arrays if name.endswith("/features")]
    assert kept == names


def test_an_archive_has_every_array(tmp_path: Path) -> None:
    spec = visualize_pb2.VisualizeSpec(objectives=[Objective(name="a")], restarts=2, keep=visualize_pb2.RESTARTS_ALL)
    images = tuple(Image.from_wire(named(image(spec, number), ObjectiveRef(name="a"))) for number in range(2))
    file = save_images(VisualizeResult(images=images, seconds=0.0), tmp_path / "new" / "images.npz")
    figures = {"objective": "<f8", "predicted_class": "<i4", "probability": "<f8", "iteration": "<i4"}
    trace = {"predicted_class", "probability", "gradient_min", "gradient_max", "step_size", "objective"}
    with np.load(file) as arrays:
        assert {name: (array.dtype.str, array.shape) for name, array in arrays.items()} == {
            "a/features": ("<i4", (2,)),
            "a/restarts": ("<i4", (2,)),
            "a/verdicts": ("<U6", (2,)),
            **{f"a/{which}/pixels": ("<f4", (2, 6, 5, 1)) for which in ("final", "best")},
            **{f"a/{which}/{name}": (kind, (2,)) for which in ("final", "best") for name, kind in figures.items()},
            **{f"a/trace/{name}": ("<f4", (2, 3)) for name in trace},
        }
        assert arrays["a/restarts"].tolist() == [0, 1]
        for which in ("final", "best"):
            np.testing.assert_array_equal(arrays[f"a/{which}/pixels"][1], pixels(1, final=which == "final"))
        assert arrays["a/best/objective"].tolist() == [0.5, 1.5]


def without_classes(name: str) -> VisualizeResult:
    """Return one image of a model that has no classes, with a trace."""
    stored = image(visualize_pb2.VisualizeSpec(objectives=[Objective(name=name)]), 0)
    for message in (stored.best, stored.final, stored.trace):
        message.ClearField("predicted_class")
        message.ClearField("probability")
    return VisualizeResult(images=(Image.from_wire(named(stored, ObjectiveRef(name=name))),), seconds=0.0)


def test_an_image_without_classes_is_taken_for_none(tmp_path: Path) -> None:
    without = without_classes("a")
    (shown,) = without.images
    assert (shown.best.predicted_class, shown.best.probability) == (None, None)
    assert shown.trace is not None
    assert (shown.trace.predicted_class, shown.trace.probability) == (None, None)
    with np.load(save_images(without, tmp_path / "images.npz")) as arrays:
        assert arrays["a/best/predicted_class"].tolist() == [-1]
        assert np.isnan(arrays["a/best/probability"]).all()
        assert arrays["a/trace/objective"].shape == (1, 3)
        assert "a/trace/predicted_class" not in arrays
    first, other = _row(shown), _row(result("a").images[0])
    assert (first[4:6], other[4:6]) == (("", ""), ("0", "25.0%"))


def test_an_archive_has_the_frames(tmp_path: Path) -> None:
    (image,) = result("a").images
    visualized = VisualizeResult(images=(replace(image, frames=(image.final, image.best, image.best)),), seconds=0.0)
    with np.load(save_images(visualized, tmp_path / "images.npz")) as arrays:
        assert arrays["a/frames/pixels"].shape == (1, 3, 6, 5, 1)
        np.testing.assert_array_equal(arrays["a/frames/pixels"][0, 0], image.final.pixels)
        assert arrays["a/frames/iteration"].dtype == np.int32


def test_an_archive_is_written_layer_by_layer(tmp_path: Path) -> None:
    """A network has many layers: all images of one layer are held a second time, but not those of all."""
    optimized = OptimizedImage(
        pixels=np.zeros((64, 64, 3), np.float32), objective=0.0, predicted_class=0, probability=0.0, iteration=0
    )
    subjects = [Feature(f"l{n // 8}", n % 8) for n in range(128)]
    images = [Image(name="", subject=subject, final=optimized, best=optimized) for subject in subjects]
    tracemalloc.start()
    try:
        save_images(VisualizeResult(images=tuple(images), seconds=0.0), tmp_path / "images.npz")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * len(images) * optimized.pixels.nbytes / 4


def test_an_objective_is_drawn_without_a_number() -> None:
    renamed = replace(result("mine"), objectives=("mine",))
    for layer, labels in ((renamed.layer("mine"), [""]), (result("mine").layer("mine"), ["0"])):
        (axes,) = files._grid(layer).axes
        assert [text.get_text() for text in axes.texts] == labels


def test_images_without_colours_are_not_drawn(tmp_path: Path) -> None:
    assert save_grids(result("a", (6, 5, 2)), tmp_path) == []
