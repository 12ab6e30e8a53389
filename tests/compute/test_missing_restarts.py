"""Of a feature that has some of its restarts, only those that are missing are computed; bit by bit as before."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import pytest
import redis

from convscope.service.validation.presets import preset_render
from convscope.store import BlobStore, JobStore, dispatch, keys
from convscope.store.planning import Segment, VisualizationPlan
from convscope.store.scripted import Scripts
from convscope.v1.jobs_pb2 import Job, JobSpec
from convscope.v1.models_pb2 import Model
from convscope.v1.render_pb2 import Preset
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.visualize_pb2 import FeatureList, LayerSelection, Restarts, VisualizeSpec
from convscope.worker.horse_lease import LeaseKeeper
from convscope.worker.horse_report import Reporter, Wishes
from convscope.worker.horse_visualize import VisualizeRunner
from convscope.worker.keras_files import model_to_bytes
from convscope.worker.visualization import Visualizer
from store.part_jobs import claim, kinds


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[int, range]]:
    """Which restarts are computed."""
    found: list[Mapping[int, range]] = []
    run = Visualizer.run

    def spied(self: Visualizer, *args: Any, restarts: Mapping[int, range], **settings: Any) -> None:
        found.append(dict(restarts))
        run(self, *args, restarts=restarts, **settings)

    monkeypatch.setattr(Visualizer, "run", spied)
    return found


def visualize(connection: redis.Redis, blobs: BlobStore, model: str) -> Job:
    """All of six restarts of two features, in one part; the images are numbered from 0 to 11."""
    selection = LayerSelection(name="conv1", list=FeatureList(indices=[3, 4]))
    render, _ = preset_render(Preset.PRESET_TUTORIAL)
    spec = VisualizeSpec(
        model=model, selections=[selection], iterations=2, restarts=6, keep=Restarts.RESTARTS_ALL, render=render
    )
    plan = blobs.put(VisualizationPlan(rows=(4,), parts=((Segment(0, 0, 2),),)).to_bytes())
    job, _ = JobStore(connection).create(JobSpec(visualize=spec), request_digest="d", needs=model, plan=plan)
    dispatch(connection, job.name.removeprefix("jobs/"))
    attempt = claim(connection, job)
    VisualizeRunner()(Reporter(connection, attempt, blobs, LeaseKeeper(attempt, Scripts(connection)), Wishes()))
    return JobStore(connection).get(job.name)


def images(connection: redis.Redis, job: Job) -> dict[int, bytes]:
    found: Any = connection.hgetall(keys.images_key(job.name.removeprefix("jobs/")))
    return {int(number): digest for number, digest in found.items()}


def test_only_restarts_that_are_missing_are_computed(
    connection: redis.Redis, tmp_path: Path, trained: keras.Model, asked: list[Mapping[int, range]]
) -> None:
    blobs = BlobStore(tmp_path.as_uri())
    training, _ = JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d", model=Model())
    claim(connection, training).succeed("", Model(sha256=blobs.put(model_to_bytes(trained))))
    whole = images(connection, visualize(connection, blobs, training.model))
    assert set(whole) == set(range(12))
    forgotten = {whole[number] for number in (2, 4, 11)}
    known_key = keys.known_key(training.model.removeprefix("models/"))
    known: Any = connection.hgetall(known_key)
    for name in (name for name, digest in known.items() if digest in forgotten):
        connection.hdel(known_key, name)
    again = visualize(connection, blobs, training.model)
    assert images(connection, again) == whole
    assert asked[0] == {3: range(6), 4: range(6)}
    assert asked[1] == {3: range(2, 5), 4: range(5, 6)}
    assert kinds(connection, again).count("image_ready") == 12
