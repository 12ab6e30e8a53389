"""The pictures that the command line leaves of a visualization."""

from pathlib import Path

import pytest

from convscope.client import FeatureImage, VisualizeResult
from convscope.client.cli.files import save_grids
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


def test_images_without_colours_are_not_drawn(tmp_path: Path) -> None:
    assert save_grids(result("a", (6, 5, 2)), tmp_path) == []
