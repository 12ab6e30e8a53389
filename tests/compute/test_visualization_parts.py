"""What an executor computes of a visualization: only what is missing, with what it has loaded and compiled already."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import keras
import pytest
import redis

from convscope.engine.models.keras_files import model_to_bytes
from convscope.engine.visualization import Visualizer
from convscope.engine.visualization.ascent.ascent import Ascent
from convscope.planning import Segment, VisualizationPlan
from convscope.service.validation.presets import preset_render
from convscope.store import BlobStore, JobStore
from convscope.store.redis.keys import key
from convscope.store.redis.scripts import Scripts
from convscope.v1.digest_pb2 import Digest
from convscope.v1.jobs_pb2 import Job, JobSpec
from convscope.v1.models_pb2 import Model
from convscope.v1.render_pb2 import Preset
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.visualize_pb2 import FeatureList, LayerSelection, Restarts, VisualizeSpec
from convscope.worker.executor import visualize as module
from convscope.worker.executor.context import AttemptContext, StopRequest
from convscope.worker.executor.lease import LeaseKeeper
from convscope.worker.executor.visualize import VisualizeRunner
from support.part_jobs import claim, kinds

Parts = tuple[tuple[Segment, ...], ...]
ONE_PART: Parts = ((Segment(0, 0, 2),),)


@pytest.fixture
def computed_restarts(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[int, range]]:
    """The restarts that are computed."""
    computed: list[Mapping[int, range]] = []
    run = Visualizer.run

    def spied(self: Visualizer, *args: Any, restarts: Mapping[int, range], **settings: Any) -> None:
        computed.append(dict(restarts))
        run(self, *args, restarts=restarts, **settings)

    monkeypatch.setattr(Visualizer, "run", spied)
    return computed


@pytest.fixture
def model(connection: redis.Redis, blobs: BlobStore, trained: keras.Model) -> str:
    """The name of a model that is stored."""
    job, _ = JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d", model=Model())
    claim(connection, job).succeed("", Model(digest=Digest(sha256=blobs.put(model_to_bytes(trained)))))
    return job.model


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path.as_uri())


def visualize(
    connection: redis.Redis,
    blobs: BlobStore,
    model: str,
    parts: Parts = ONE_PART,
    between: Callable[[Job], None] = lambda _: None,
) -> Job:
    """Compute all six restarts of two features in one executor; the images are numbered from 0 to 11."""
    selection = LayerSelection(name="conv1", list=FeatureList(indices=[3, 4]))
    render, _ = preset_render(Preset.PRESET_TUTORIAL)
    spec = VisualizeSpec(
        model=model, selections=[selection], iterations=2, restarts=6, keep=Restarts.RESTARTS_ALL, render=render
    )
    job, _ = JobStore(connection).create(JobSpec(visualize=spec), request_digest="d", needs=model, parts=len(parts))
    plan, runner = VisualizationPlan(rows=(4,), parts=parts), VisualizeRunner()
    for part in range(len(parts)):
        if part:
            between(job)
        attempt = claim(connection, job, part, blobs=blobs)
        with mock.patch.object(module, "plan_visualization", return_value=plan):
            runner(AttemptContext(connection, attempt, blobs, LeaseKeeper(attempt, Scripts(connection)), StopRequest()))
    return JobStore(connection).get(job.name)


def images(connection: redis.Redis, job: Job) -> dict[int, bytes]:
    digests: Any = connection.hgetall(key("images", job.name.removeprefix("jobs/")))
    return {int(number): digest for number, digest in digests.items()}


def test_only_restarts_that_are_missing_are_computed(
    connection: redis.Redis, blobs: BlobStore, model: str, computed_restarts: list[Mapping[int, range]]
) -> None:
    whole = images(connection, visualize(connection, blobs, model))
    assert set(whole) == set(range(12))
    forgotten = {whole[number] for number in (2, 4, 11)}
    known_key = key("cached", model.removeprefix("models/"))
    known: Any = connection.hgetall(known_key)
    for name in (name for name, digest in known.items() if digest in forgotten):
        connection.hdel(known_key, name)
    again = visualize(connection, blobs, model)
    assert images(connection, again) == whole
    assert computed_restarts[0] == {3: range(6), 4: range(6)}
    assert computed_restarts[1] == {3: range(2, 5), 4: range(5, 6)}
    assert kinds(connection, again).count("image_ready") == 12


def test_the_next_part_finds_the_model_loaded_and_its_ascent_compiled(
    connection: redis.Redis, blobs: BlobStore, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[str] = []

    def count(owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def counted(*args: Any, **settings: Any) -> Any:
            built.append(name)
            return original(*args, **settings)

        monkeypatch.setattr(owner, name, counted)

    count(module, "open_model")
    count(Ascent, "__init__")
    visualize(connection, blobs, model, parts=((Segment(0, 0, 1),), (Segment(0, 1, 1),)))
    assert sorted(built) == ["__init__", "open_model"]


def test_a_job_whose_model_was_made_again_is_continued_with_that(
    connection: redis.Redis, blobs: BlobStore, model: str, trained: keras.Model
) -> None:
    """Redis has lost the end of the model's training, and the job was planned once more."""
    other = keras.models.clone_model(trained)
    other.set_weights([weights * 1.5 for weights in trained.get_weights()])
    file, record = blobs.put(model_to_bytes(other)), key("model", model.removeprefix("models/"))
    before = connection.hget(record, "file") or b""
    connection.hset(record, "file", file)
    expected = images(connection, visualize(connection, blobs, model))
    connection.delete(key("cached", model.removeprefix("models/")))
    connection.hset(record, "file", before)

    def make_again(job: Job) -> None:
        connection.hset(key("job", job.name.removeprefix("jobs/")), "model_file", file)

    parts = ((Segment(0, 0, 1),), (Segment(0, 1, 1),))
    computed = images(connection, visualize(connection, blobs, model, parts, make_again))
    assert [computed[number] == expected[number] for number in range(12)] == [False] * 6 + [True] * 6
