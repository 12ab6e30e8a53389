"""Images fetched and exported by the client: of a real service, and of one that misbehaves."""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
from google.protobuf.duration_pb2 import Duration
from PIL import Image as Picture

from convscope.client import (
    Client,
    Estimate,
    FailedPrecondition,
    Feature,
    Features,
    ImageReady,
    InvalidArgument,
    InvalidType,
    InvalidValue,
    NotFound,
    ObjectiveRef,
    Outcome,
    Verdict,
)
from convscope.store import BlobStore, JobStore
from convscope.store.embedded import EmbeddedRedis
from convscope.v1 import images_pb2, jobs_pb2, tensor_pb2, visualize_pb2
from convscope.v1.objective_pb2 import Objective
from support.command_line import Run, running_in_process
from support.fake_service import FakeService, event, finished, job
from support.service_alone import service_alone
from support.stored_images import Store, image, pixels, sent


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def real(redis_server: EmbeddedRedis, home: Path) -> Iterator[Client]:
    with service_alone(redis_server.url, home) as (address, _), Client(address) as client:
        yield client


@pytest.fixture
def store(connection: redis.Redis, home: Path) -> Store:
    return Store(connection, BlobStore((home / "artifacts").as_uri()))


@pytest.fixture
def visualization(store: Store) -> str:
    """The name of a job of three features with two restarts each, of which one is not ready, and an objective."""
    layers = {"conv1": [2, 5], "logits": [7]}
    return store.job(layers, restarts=2, every=True, missing=[3], objectives=[Objective(name="mine")]).name


def test_images_are_listed(real: Client, visualization: str) -> None:
    images = list(real.visualizations.list(visualization))
    assert [(image.layer, image.feature, image.restart) for image in images] == [
        ("conv1", 2, 0),
        ("conv1", 2, 1),
        ("conv1", 5, 0),
        ("logits", 7, 0),
        ("logits", 7, 1),
        ("mine", 0, 0),
        ("mine", 0, 1),
    ]
    np.testing.assert_array_equal(images[1].best.pixels, pixels(1))
    assert images[1].verdict == Verdict(outcome=Outcome.NORMAL, upper_bound=3, reached=0.5)
    assert images[1].cache_key == f"{1:064x}"
    assert [image.cache_key for image in real.visualizations.list(visualization, "conv1", 2)] == [
        f"{n:064x}" for n in (0, 1)
    ]


def test_images_are_chosen_by_layers_features_and_objectives(real: Client, visualization: str) -> None:
    def listed(*chosen: Any, **more: Any) -> list[tuple[str, int, int]]:
        return [(image.layer, image.feature, image.restart) for image in real.images(visualization, *chosen, **more)]

    assert len(listed()) == 7
    assert listed("logits") == [("logits", 7, 0), ("logits", 7, 1)]
    assert listed({"conv1": [5], "logits": None}) == [("conv1", 5, 0), ("logits", 7, 0), ("logits", 7, 1)]
    assert listed(["logits", "conv1"], objectives="mine") == listed()
    assert listed(objectives=["mine"]) == [("mine", 0, 0), ("mine", 0, 1)]


def test_an_image_tells_its_name_and_subject(real: Client, visualization: str) -> None:
    first, *_, last = real.images(visualization, image_format="none")
    assert (first.name, first.subject) == (f"{visualization}/images/0", Feature("conv1", 2))
    assert (last.name, last.subject) == (f"{visualization}/images/7", ObjectiveRef(0, "mine"))
    assert first.best.pixels.shape == (0, 0, 0)


BOTH: list[Features] = [[2, 5], (2, 5), np.array([2, 5]), range(2, 6, 3), slice(2, 6, 3), None, slice(None)]
ONE: list[Features] = [5, np.array([5]), range(5, 6)]


def test_features_are_chosen_as_for_a_visualization(real: Client, visualization: str) -> None:
    for chosen, listed in [*((choice, [2, 2, 5]) for choice in BOTH), *((choice, [5]) for choice in ONE)]:
        assert [image.feature for image in real.visualizations.list(visualization, "conv1", chosen)] == listed


def test_images_are_fetched(real: Client, visualization: str) -> None:
    handle = real.job(visualization)
    image = real.visualizations.get(handle, "conv1", 2, restart=1)
    np.testing.assert_array_equal(image.final.pixels, pixels(1, final=True))
    picture = real.visualizations.get(handle, "mine", format="png")
    assert picture.best.pixels.shape == (0, 0, 0)
    assert picture.trace is None
    with Picture.open(io.BytesIO(picture.png)) as read:
        np.testing.assert_array_equal(np.asarray(read), np.rint(pixels(6)[..., 0] * 255))


def test_archives_are_saved(real: Client, visualization: str, tmp_path: Path) -> None:
    folder = real.visualizations.export(visualization, tmp_path / "with" / "its" / "parents")
    assert {path.name for path in folder.iterdir()} == {"index.json", "images.npz"}
    assert len(json.loads((folder / "index.json").read_text())["images"]) == 7
    with np.load(folder / "images.npz") as arrays:
        assert arrays["conv1/restarts"].tolist() == [0, 1, 0]
    assert list(folder.parent.iterdir()) == [folder]
    plain = tmp_path / "plain"
    plain.mkdir()
    assert folder.stat().st_mode == plain.stat().st_mode


def test_pictures_are_saved(real: Client, visualization: str, tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    assert real.visualizations.export(visualization, folder, format="png") == folder
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {entry["file"] for entry in json.loads((folder / "index.json").read_text())["images"]} | {
        "index.json"
    }
    assert "conv1/2-1.png" in files


def test_refusals_have_their_errors(real: Client, store: Store, visualization: str, tmp_path: Path) -> None:
    for refused, error in (
        (lambda: real.visualizations.get(visualization, "conv1", 3), InvalidArgument),
        (lambda: real.visualizations.get(visualization, "conv1", 5, restart=1), NotFound),
        (lambda: real.visualizations.get(visualization, "mine", 1), InvalidValue),
        (lambda: real.visualizations.list(visualization, features=1), InvalidValue),
        (lambda: list(real.images(visualization, "mine")), InvalidArgument),
        (lambda: real.images(visualization, 7), InvalidType),  # type: ignore[arg-type]
        (lambda: real.images(visualization, image_format="jpeg"), InvalidValue),
        (lambda: real.visualizations.get("none", "conv1"), NotFound),
        (lambda: list(real.visualizations.list(visualization, "conv9")), InvalidArgument),
        (lambda: list(real.visualizations.list(visualization, "conv1", np.array([0]))), InvalidArgument),
        (lambda: real.visualizations.list(visualization, "conv1", []), InvalidValue),
        (lambda: list(real.visualizations.list(visualization, "conv1", -1)), InvalidValue),
        (lambda: real.visualizations.list(visualization, "conv1", "2"), InvalidType),  # type: ignore[arg-type]
        (lambda: real.visualizations.list(visualization, format="jpeg"), InvalidValue),
        (
            lambda: real.visualizations.export(store.job({"c": [0]}, missing=[0]).name, tmp_path / "x"),
            FailedPrecondition,
        ),
        (lambda: real.visualizations.export(visualization, tmp_path), FileExistsError),
        (lambda: real.visualizations.export(visualization, tmp_path / "occupied" / "x" / "y"), NotADirectoryError),
    ):
        (tmp_path / "occupied").touch()
        with pytest.raises(error):
            refused()
    assert [path.name for path in tmp_path.iterdir()] == ["occupied"]


@pytest.fixture
def run(real: Client, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs ``convscope images`` in this process and an empty folder; returns its code and what it printed."""
    monkeypatch.chdir(tmp_path)
    return running_in_process(capsys, "--address", real.address, "images")


def test_the_command_line_lists(run: Run, visualization: str) -> None:
    _, lines, _ = run("list", visualization)
    assert re.search(r"conv1\s+2\s+1\s+1\.500\s+1\s+25\.0%\s+normal", lines)
    _, lines, _ = run("list", visualization, "-l", "conv1:2", "--json")
    listed = [json.loads(line) for line in lines.splitlines()]
    assert [(image["restart"], image["verdict"]["outcome"]) for image in listed] == [(0, "normal"), (1, "normal")]
    assert len(run("list", visualization, "--limit", "2", "--json")[1].splitlines()) == 2
    code, lines, error = run("list", visualization, "-l", "conv1:0-2")
    assert (code, lines) == (2, "")
    assert "0 of conv1 is not in" in error
    assert run("list", visualization, "-l", "conv1:") == (
        2,
        "",
        "convscope: layers: 'conv1:' is not of the form LAYER or LAYER:FEATURES\n",
    )


def test_the_command_line_shows(run: Run, visualization: str, tmp_path: Path) -> None:
    code, lines, _ = run("show", visualization, "logits:7", "--restart", "1", "--output", "seven.png")
    assert code == 0
    assert re.search(r"upper bound\s+11\.0000; 50\.0% of the way there", lines)
    assert (tmp_path / "seven.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads(run("show", visualization, "mine", "--json")[1])["layer"] == "mine"
    assert run("show", visualization, "conv1:x")[0] == 2


@pytest.mark.parametrize(
    ("name", "code", "expected"),
    [
        ("nope", 2, "'nope' is not in {job}; there is conv1, logits"),
        ("conv1:3", 2, "3 of conv1 is not in {job}; there is 2, 5"),
        ("conv1:5 --restart 1", 1, "{job} has no image of conv1:5, restart 1, that is ready"),
    ],
)
def test_the_command_line_says_which_images_there_are(
    run: Run, visualization: str, name: str, code: int, expected: str
) -> None:
    ended, lines, error = run("show", visualization, *name.split())
    assert (ended, lines) == (code, "")
    assert expected.format(job=visualization) in error


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        ({"outcome": visualize_pb2.Verdict.OUTCOME_NOT_A_NUMBER, "iteration": 0}, "not a number, at iteration 0"),
        ({"outcome": visualize_pb2.Verdict.OUTCOME_UNREACHABLE}, "unreachable"),
        (
            {"outcome": visualize_pb2.Verdict.OUTCOME_UNREACHABLE, "without_gradient": True, "rescued": True},
            r"unreachable, without a gradient \(rescued\)",
        ),
    ],
)
def test_the_command_line_says_what_is_not_normal(
    run: Run, store: Store, visualization: str, verdict: dict[str, Any], expected: str
) -> None:
    judged = image(JobStore(store.connection).get(visualization).effective_spec.visualize, 0)
    judged.verdict.CopyFrom(visualize_pb2.Verdict(**verdict))
    store.put(jobs_pb2.Job(name=visualization), 0, judged)
    assert re.search(rf"verdict\s+{expected}\s*$", run("show", visualization, "conv1:2")[1], re.MULTILINE)
    assert re.search(rf"%\s+{expected}\s*$", run("list", visualization)[1], re.MULTILINE)


def test_the_command_line_exports(run: Run, visualization: str, tmp_path: Path) -> None:
    identifier = visualization.removeprefix("jobs/")
    assert run("export", visualization, "--format", "png") == (0, f"{identifier}\n", "")
    assert (tmp_path / identifier / "index.json").exists()
    assert run("export", visualization) == (1, "", f"convscope: {identifier}: exists already\n")


def test_an_invalid_folder_to_export_to_is_reported(run: Run, visualization: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert run("export", visualization, "file/sub") == (1, "", "convscope: file: not a folder\n")
    for unnamed in ("", "."):
        code, _, error = run("export", visualization, unnamed)
        assert (code, error) == (2, "convscope: folder: a new folder needs a name; '', '.' and '/' are none\n")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_image_keeps_its_verdict_and_spread(fake: FakeService, client: Client) -> None:
    sent = image(visualize_pb2.VisualizeSpec(objectives=[Objective(name="x")]), 0)
    sent.verdict.CopyFrom(
        visualize_pb2.Verdict(outcome=visualize_pb2.Verdict.OUTCOME_NOT_A_NUMBER, iteration=4, rescued=True)
    )
    spread = tensor_pb2.Tensor(
        element_type=tensor_pb2.ELEMENT_TYPE_FLOAT32, shape=[2], data=np.array([1, 3], "<f4").tobytes()
    )
    sent.spread.CopyFrom(visualize_pb2.Spread(objectives=spread, mean=2, deviation=1))
    sent.ClearField("trace")
    sent.name, sent.objective.name = "jobs/j/images/0", "x"
    described = job("visualize")
    described.effective_spec.visualize.objectives.add(name="x")
    fake.handlers["GetJob"] = lambda *_: described
    fake.handlers["ListImages"] = lambda *_: images_pb2.ListImagesResponse(images=[sent])
    fake.handlers["GetImage"] = lambda *_: sent
    fetched = client.visualizations.get("j", "x")
    assert fetched.verdict == Verdict(outcome=Outcome.NOT_A_NUMBER, iteration=4, rescued=True)
    assert str(fetched.verdict) == "not a number"
    assert fetched.spread is not None
    assert (fetched.spread.objectives.tolist(), fetched.spread.mean, fetched.spread.deviation) == ([1, 3], 2, 1)
    sent.ClearField("verdict")
    assert client.visualizations.get("j", "x").verdict is None


def ready(sequence: int, spec: visualize_pb2.VisualizeSpec, number: int, **fields: Any) -> jobs_pb2.JobEvent:
    reported = sent(spec, number)
    reported.ClearField("trace")
    announced = visualize_pb2.ImageReady(image=reported, completed_count=sequence, total_count=4, **fields)
    return event(sequence, image_ready=announced)


def test_a_result_has_the_frames_that_events_lack(fake: FakeService, client: Client) -> None:
    spec = visualize_pb2.VisualizeSpec(frames=2)
    spec.selections.add(name="conv1").list.indices.extend([4])
    described = job("visualize")
    described.effective_spec.visualize.CopyFrom(spec)
    fake.handlers["GetJob"] = lambda *_: described
    whole = ready(1, spec, 0).image_ready.image
    for iteration in (0, 30):
        whole.frames.add(iteration=iteration, pixels=whole.best.pixels)
    fake.handlers["ListImages"] = lambda *_: images_pb2.ListImagesResponse(images=[whole])
    result = jobs_pb2.JobResult(visualize=visualize_pb2.VisualizeResult())
    fake.handlers["WatchJob"] = lambda *_: iter([ready(1, spec, 0), finished(2, result=result)])
    (image,) = client.job("j").result().images
    assert [frame.iteration for frame in image.frames] == [0, 30]
    np.testing.assert_array_equal(image.frames[1].pixels, pixels(0))


def test_a_result_has_all_restarts_in_order(fake: FakeService, client: Client) -> None:
    """Parts end in any order, and may send an image again."""
    spec = visualize_pb2.VisualizeSpec(restarts=2, keep=visualize_pb2.RESTARTS_ALL, objectives=[Objective(name="x")])
    spec.selections.add(name="conv1").list.indices.extend([4])
    described = job(
        "visualize", estimate=jobs_pb2.Estimate(part_count=3), ended_part_count=1, priority=jobs_pb2.PRIORITY_LOW
    )
    described.effective_spec.visualize.CopyFrom(spec)
    fake.handlers["GetJob"] = lambda *_: described
    result = jobs_pb2.JobResult(
        visualize=visualize_pb2.VisualizeResult(image_count=4, duration=Duration(seconds=2), cached_image_count=1)
    )
    events = [
        ready(1, spec, 3),
        ready(2, spec, 1, cached=True),
        ready(3, spec, 1),
        ready(4, spec, 0),
        ready(5, spec, 2),
    ]
    fake.handlers["WatchJob"] = lambda *_: iter([*events, finished(6, result=result)])
    handle = client.job("j")
    received: list[Any] = []
    outcome = handle.result(progress=received.append)
    assert [(image.layer, image.restart) for image in outcome.images] == [
        ("conv1", 0),
        ("conv1", 1),
        ("x", 0),
        ("x", 1),
    ]
    assert (outcome.cached_image_count, outcome.seconds) == (1, 2)
    assert [event.cached for event in received if isinstance(event, ImageReady)] == [False, True, False, False, False]
    layer = outcome.layer("conv1")
    assert (layer.features.tolist(), layer.restarts.tolist()) == ([4, 4], [0, 1])
    assert (layer.is_objective, outcome.layer("x").is_objective) == (False, True)
    assert [str(verdict) for verdict in layer.verdicts] == ["normal", "normal"]
    assert (handle.info.priority, handle.info.device, handle.info.ended_part_count) == ("low", "any", 1)
    assert handle.info.estimate == Estimate(part_count=3, compute_seconds=0.0, stored_bytes=0)
