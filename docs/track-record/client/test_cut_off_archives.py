"""An archive that does not fit on the disk leaves what was there before, and nothing that is cut off."""

import resource
from pathlib import Path

import pytest
from stored_images import image

from convscope.client import FeatureImage, VisualizeResult
from convscope.client.cli.files import save_images
from convscope.v1.objective_pb2 import Objective
from convscope.v1.visualize_pb2 import VisualizeSpec


def test_an_archive_that_does_not_fit_leaves_the_one_before(tmp_path: Path) -> None:
    stored = image(VisualizeSpec(objectives=[Objective()]), 0, (200, 200, 1))
    result = VisualizeResult(images=(FeatureImage.from_wire(stored),), seconds=0.0)
    path = tmp_path / "images.npz"
    path.write_text("before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))  # writes fail as they do on a full disk
    try:
        with pytest.raises(OSError, match="File too large"):
            save_images(result, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"before"
