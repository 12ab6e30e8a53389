"""Images of cut batches have no cache key, so they are not taken for images of whole batches."""

from pathlib import Path

import keras
import pytest
import redis
from keras import layers

from convscope.engine.models.keras_files import model_to_bytes
from convscope.planning import Segment, VisualizationPlan
from convscope.service.validation.presets import preset_render
from convscope.store import BlobStore, JobStore
from convscope.store.jobs.images import ready_images
from convscope.store.redis.keys import key
from convscope.store.redis.scripts import Scripts
from convscope.v1.digest_pb2 import Digest
from convscope.v1.jobs_pb2 import JobSpec
from convscope.v1.models_pb2 import Model
from convscope.v1.render_pb2 import Preset
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.visualize_pb2 import FeatureList, Image, LayerSelection, Restarts, VisualizeSpec
from convscope.worker.executor import visualize
from convscope.worker.executor.context import AttemptContext, StopRequest
from convscope.worker.executor.lease import LeaseKeeper
from convscope.worker.executor.visualize import VisualizeRunner
from convscope.worker.settings import WorkerSettings
from support.part_jobs import claim


class Worker:
    """Computes jobs of one part, two images of a layer in a batch."""

    def __init__(self, connection: redis.Redis, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.redis = connection
        plan = VisualizationPlan(rows=(2,), parts=((Segment(0, 0, 2),),))
        monkeypatch.setattr(visualize, "plan_visualization", lambda *_: plan)
        self.blobs = BlobStore(folder.as_uri())
        job, _ = JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d", model=Model())
        claim(connection, job).succeed("", Model(digest=Digest(sha256=self.blobs.put(model_to_bytes(wide())))))
        self.model = job.model

    def names(self, keep: Restarts.ValueType, memory: int | None = None) -> list[str]:
        """Return the names of the images of two features with two restarts each."""
        selection = LayerSelection(name="wide", list=FeatureList(indices=[0, 1]))
        render, _ = preset_render(Preset.PRESET_TUTORIAL)
        spec = VisualizeSpec(
            model=self.model, selections=[selection], iterations=1, restarts=2, keep=keep, render=render
        )
        job, _ = JobStore(self.redis).create(JobSpec(visualize=spec), request_digest="d", needs=self.model)
        attempt = claim(self.redis, job, blobs=self.blobs)
        VisualizeRunner()(
            AttemptContext(
                self.redis,
                attempt,
                self.blobs,
                LeaseKeeper(attempt, Scripts(self.redis)),
                StopRequest(),
                settings=WorkerSettings(memory=memory),
            )
        )
        images = ready_images(self.redis, attempt.job_id, range(4))
        return [Image.FromString(self.blobs.get(digest)).cache_key for _, digest in images]

    @property
    def known(self) -> set[str]:
        names: list[bytes] = self.redis.hkeys(key("cached", self.model.removeprefix("models/")))  # type: ignore[assignment]
        return {name.decode() for name in names}


def wide() -> keras.Model:
    """Return a model of which two images take more than a mebibyte, and one with its bounds does not."""
    image = keras.Input((80, 80, 1))
    values = layers.GlobalAveragePooling2D()(layers.Conv2D(2, 1, name="wide")(image))
    return keras.Model(image, layers.Dense(2)(values))


@pytest.mark.parametrize("keep", [Restarts.RESTARTS_BEST, Restarts.RESTARTS_ALL])
def test_images_of_cut_batches_have_no_cache_key(
    connection: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: Restarts.ValueType
) -> None:
    worker = Worker(connection, tmp_path, monkeypatch)
    assert set(worker.names(keep, 4 * 2**20)) == {""}
    assert worker.known == set()
    names = worker.names(keep)
    assert len(set(names)) == len(names) == (2 if keep == Restarts.RESTARTS_BEST else 4)
    assert worker.known == set(names)
    assert worker.names(keep, 4 * 2**20) == names
