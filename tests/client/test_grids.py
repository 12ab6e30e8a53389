"""The pictures that the command line leaves of a visualization."""

from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from convscope.client import FeatureImage, VisualizeResult
from convscope.client.cli.files import save_grids, save_images
from convscope.v1 import visualize_pb2
from convscope.v1.objective_pb2 import Objective
from stored_images import image


def result(name: str, shape: tuple[int, int, int] = (6, 5, 1)) -> VisualizeResult:
    """One image of an objective."""
    stored = image(visualize_pb2.VisualizeSpec(objectives=[Objective(name=name)]), 0, shape)
    return VisualizeResult(images=(FeatureImage.from_wire(stored),), seconds=0.0)


@pytest.mark.parametrize("name", ["..", "a/b"])
def test_grids_are_where_they_are_said_to_be(name: str, tmp_path: Path) -> None:
    (file,) = save_grids(result(name), tmp_path)
    assert list(tmp_path.iterdir()) == [file]


def test_layers_of_nearly_the_same_name_are_kept_apart(tmp_path: Path) -> None:
    names = ["a/b", "a_b", "a%2Fb", "a\0b", "a\0c", "a", "conv1 (2)", r"$\frac$"]
    images = tuple(image for name in names for image in result(name).images)
    found = VisualizeResult(images=images, seconds=0.0)
    files = save_grids(found, tmp_path)
    assert [unquote(file.stem) for file in files] == names
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert [file.name for file in files if "%" not in file.name] == [
        "a_b.png",
        "a.png",
        "conv1 (2).png",
        r"$\frac$.png",
    ]
    with np.load(save_images(found, tmp_path / "images.npz")) as arrays:
        kept = [unquote(name.removesuffix("/features")) for name in arrays if name.endswith("/features")]
    assert kept == names


def test_images_without_colours_are_not_drawn(tmp_path: Path) -> None:
    assert save_grids(result("a", (6, 5, 2)), tmp_path) == []
