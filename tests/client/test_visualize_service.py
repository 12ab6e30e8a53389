"""Presets, restarts, objectives and cached images, from a client through a worker and back."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from convscope.client import Client, ImageReady, Job, Outcome, TrainResult, VisualizeResult, objectives
from support.stack import Stack

PROGRAM = str(Path(sys.executable).with_name("convscope"))
DOCUMENT = Path(__file__).parents[2] / "docs" / "visualization.md"


@pytest.fixture(scope="module")
def training(real: Client) -> Job[TrainResult]:
    job = real.train(convolutions=[4, 4], dense=[], iterations=20, report_interval=10)
    job.result(timeout=120)
    return job


@pytest.fixture(scope="module")
def robust(real: Client, training: Job[TrainResult]) -> Job[VisualizeResult]:
    """Three robust ascents of each of two classes and of an objective."""
    job = real.visualize(
        training,
        {"logits": [2, 7]},
        objectives={"mixed": objectives.channel("conv2", 3) - 0.5 * objectives.layer("conv1")},
        preset="robust",
        render={"transforms.jitter": 0.1},
        iterations=5,
        restarts=3,
        keep="all",
        priority="high",
    )
    job.result(timeout=120)
    return job


def test_every_restart_comes_with_a_verdict(robust: Job[VisualizeResult]) -> None:
    images = robust.result().images
    wanted = [("logits", 2), ("logits", 7), ("mixed", 0)]
    assert [(image.layer, image.feature, image.restart) for image in images] == [
        (*subject, restart) for subject in wanted for restart in range(3)
    ]
    assert len({image.cache_key for image in images}) == 9
    assert all(image.verdict and image.verdict.outcome in Outcome for image in images)
    assert all(0 <= image.best.pixels.min() <= image.best.pixels.max() <= 1 for image in images)


def test_the_job_tells_what_was_used(robust: Job[VisualizeResult]) -> None:
    info = robust.refresh()
    assert (info.priority, info.device) == ("high", "any")
    assert info.estimate is not None
    assert info.estimate.part_count == info.ended_part_count >= 1
    assert info.spec["render"]["transforms"]["jitter"] == 0.1
    assert info.spec["render"]["transforms"]["rotate"] == 10
    assert info.spec["render"]["decorrelate"] is False
    assert info.spec["objectives"][0]["terms"][1]["weight"] == -0.5


def test_the_images_are_those_of_the_result(real: Client, robust: Job[VisualizeResult]) -> None:
    for listed, returned in zip(real.visualizations.list(robust), robust.result().images, strict=True):
        np.testing.assert_array_equal(listed.best.pixels, returned.best.pixels)
        assert listed.cache_key == returned.cache_key


def test_the_best_restart_comes_with_the_spread(
    real: Client, training: Job[TrainResult], robust: Job[VisualizeResult]
) -> None:
    every = [image for image in robust.result().images if image.feature == 7]
    job = real.visualize(
        training, {"logits": 7}, preset="robust", render={"transforms.jitter": 0.1}, iterations=5, restarts=3
    )
    (best,) = job.result(timeout=120).images
    assert best.spread is not None
    np.testing.assert_allclose(best.spread.objectives, [image.best.objective for image in every], rtol=1e-6)
    assert best.restart == np.argmax(best.spread.objectives)
    np.testing.assert_array_equal(best.best.pixels, every[best.restart].best.pixels)


def test_cached_images_come_at_once(stack: Stack, training: Job[TrainResult], robust: Job[VisualizeResult]) -> None:
    """The command line asks for what a client asked for before, in another order."""
    command = [PROGRAM, "--address", stack.address, "visualize", training.model, "-l", "logits:7,2"]
    command += ["--objective", "mixed=conv2:3 - 0.5*conv1", "--preset", "robust", "--set", "transforms.jitter=0.1"]
    command += [
        "-n",
        "5",
        "--restarts",
        "3",
        "--keep",
        "all",
        "--output",
        str(stack.home / "figures"),
        "--device",
        "cpu",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "9 of 9 images were stored already" in done.stdout
    assert re.search(r"mixed\s+3\s+", done.stdout)
    assert {path.name for path in (stack.home / "figures").iterdir()} == {"images.npz", "logits.png", "mixed.png"}


def test_cached_images_are_reported(real: Client, training: Job[TrainResult], robust: Job[VisualizeResult]) -> None:
    again = real.visualize(
        training,
        {"logits": 2},
        preset="robust",
        render={"transforms.jitter": 0.1},
        iterations=5,
        restarts=3,
        keep="all",
    )
    ready = [event for event in again.watch() if isinstance(event, ImageReady)]
    assert [(event.cached, event.completed_count, event.total_count) for event in ready] == [
        (True, n, 3) for n in (1, 2, 3)
    ]
    assert again.result().cached_image_count == 3


def test_frames_are_kept(real: Client, training: Job[TrainResult]) -> None:
    job = real.visualize(training, {"logits": [1, 2]}, iterations=6, frames=3)
    (first, second), (plain, _) = (
        handle.result(timeout=120).images
        for handle in (job, real.visualize(training, {"logits": [1, 2]}, iterations=6))
    )
    assert [frame.iteration for frame in first.frames] == [0, 3, 6]
    np.testing.assert_array_equal(second.frames[2].pixels, second.final.pixels)
    np.testing.assert_array_equal(first.best.pixels, plain.best.pixels)
    assert first.cache_key != plain.cache_key
    assert real.visualizations.get(job, "logits", 2).frames[0].iteration == 0
    assert not next(event.image for event in job.watch() if isinstance(event, ImageReady)).frames


@pytest.mark.parametrize("heading", ["Where the images are", "How to reproduce an image"])
def test_the_document_says_what_works(
    real: Client, training: Job[TrainResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heading: str
) -> None:
    section = DOCUMENT.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", section, re.DOTALL | re.MULTILINE))
    assert code
    monkeypatch.chdir(tmp_path)
    job = real.visualize(training, ["conv2", "logits"], iterations=2)
    job.result(timeout=120)
    exec(compile(code, heading, "exec"), {"client": real, "model": training.model, "job": job})
