"""``convscope visualize`` against a scripted service: what it reports of a job, and of wrong options."""

import json
import re
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration

from convscope.v1 import jobs_pb2, visualize_pb2
from convscope.v1.objective_pb2 import Objective
from support.command_line import Run
from support.fake_service import FakeService, event, finished, job
from support.stored_images import sent


def visualizing(fake: FakeService, *names: str, cached: int = 0, objective: float = 1.0) -> None:
    """Have the service visualize objectives of these names."""
    described = job("visualize")
    log: list[jobs_pb2.JobEvent] = []
    described.effective_spec.visualize.objectives.extend(Objective(name=name) for name in names)
    for number in range(len(names)):
        ready = visualize_pb2.ImageReady(
            image=sent(described.effective_spec.visualize, number), completed_count=number + 1
        )
        ready.total_count, ready.image.best.objective = len(names), objective
        log.append(event(number + 1, image_ready=ready))
    result = visualize_pb2.VisualizeResult(
        image_count=len(names), cached_image_count=cached, duration=Duration(seconds=1)
    )
    done = jobs_pb2.JobResult(visualize=result)
    for method in ("CreateJob", "GetJob"):
        fake.handlers[method] = lambda *_: described
    fake.handlers["WatchJob"] = lambda *_: iter([*log, finished(len(names) + 1, result=done)])


def test_everything_that_takes_long_is_reported(
    run: Run, fake: FakeService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convscope.client.bars._LINE_INTERVAL", 0.0)
    visualizing(fake, "a", "b")
    code, lines, error = run("visualize", "m", "--output", tmp_path)
    assert code == 0
    assert error.splitlines() == [
        "submitted jobs/j",
        "visualizing: 1/2 images  a",
        "visualizing: 2/2 images  b",
        "visualizing: succeeded 2/2 images  b",
        "saving: 1/2 a",
        "saving: 2/2 b",
        "drawing: 1/2 a",
        "drawing: 2/2 b",
    ]
    assert lines.splitlines()[-3:] == [str(tmp_path / name) for name in ("images.npz", "a.png", "b.png")]


def test_programs_get_nothing_but_the_result(run: Run, fake: FakeService, tmp_path: Path) -> None:
    visualizing(fake, "a")
    code, lines, error = run("visualize", "m", "--output", tmp_path, "--json")
    assert (code, error) == (0, "")
    assert json.loads(lines)["job"] == "jobs/j"


@pytest.mark.parametrize(
    ("names", "cached", "expected"),
    [
        ("a", 1, "1 image in 1.0 s; 1 of 1 image was stored already"),
        ("ab", 1, "2 images in 1.0 s; 1 of 2 images was stored already"),
        ("ab", 2, "2 images in 1.0 s; 2 of 2 images were stored already"),
        ("a", 0, "1 image in 1.0 s"),
    ],
)
def test_cached_images_are_counted(
    *,
    run: Run,
    fake: FakeService,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    names: str,
    cached: int,
    expected: str,
) -> None:
    monkeypatch.setattr("convscope.client.cli.visualize.find_spec", lambda _: None)  # drawing takes long
    visualizing(fake, *names, cached=cached, objective=-1e-5)
    _, lines, _ = run("visualize", "m", "--output", tmp_path)
    assert expected in [line.strip() for line in lines.splitlines()]
    assert re.search(r"^ *a +1 +0\.000 +0\.000 *$", lines, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("visualize m --keep both", "Invalid value for '--keep': 'both' is not one of 'best', 'all'"),
        ("visualize m --restarts 2.5", "Invalid value for '--restarts': '2.5' should be a valid integer"),
        ("images list j --limit 0", "Invalid value for '--limit': '0' should be greater than or equal to 1"),
        ("jobs list --state queued --state gone", "Invalid value for '--state': 'gone' is not one of 'waiting'"),
    ],
)
def test_wrong_values_are_named(run: Run, fake: FakeService, arguments: str, expected: str) -> None:
    code, lines, error = run(*arguments.split())
    assert (code, lines, fake.requests) == (2, "", [])
    assert error.startswith(f"convscope: {expected}")
    assert re.search(r"[^.]; see convscope [a-z ]+ --help\n$", error)
