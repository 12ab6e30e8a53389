"""Visualizations whose images are put into the store by hand, for tests that need no worker."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import redis
from numpy.typing import NDArray

from convscope.planning import ImageOrder
from convscope.store import BlobStore, JobStore, visualization_request
from convscope.store.jobs.images import addressed
from convscope.store.redis.keys import key
from convscope.v1.evaluate_pb2 import EvaluateSpec
from convscope.v1.jobs_pb2 import Job, JobSpec
from convscope.v1.tensor_pb2 import ElementType, Tensor
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.visualize_pb2 import (
    FeatureList,
    Image,
    LayerSelection,
    OptimizedImage,
    Restarts,
    Trace,
    Verdict,
    VisualizeSpec,
)

SHAPE = (6, 5, 1)

TRACED = [field.name for field in Trace.DESCRIPTOR.fields]


@dataclass(frozen=True, slots=True)
class Store:
    """A store to put images into."""

    connection: redis.Redis
    blobs: BlobStore

    def job(
        self,
        layers: Mapping[str, Collection[int]],
        *,
        restarts: int = 1,
        every: bool = False,
        missing: Collection[int] = (),
        shape: tuple[int, int, int] = SHAPE,
        **spec: Any,
    ) -> Job:
        """Create a visualization with all its images, but for those with the numbers ``missing``."""
        wanted = VisualizeSpec(
            model="models/m",
            selections=[LayerSelection(name=name, list=FeatureList(indices=chosen)) for name, chosen in layers.items()],
            restarts=restarts,
            keep=Restarts.RESTARTS_ALL if every else Restarts.RESTARTS_BEST,
            **spec,
        )
        job, _ = JobStore(self.connection).create(JobSpec(visualize=wanted), request_digest="d")
        for number in range(ImageOrder(visualization_request(wanted)).total):
            if number not in missing:
                self.put(job, number, image(wanted, number, shape))
        return job

    def put(self, job: Job, number: int, stored: Image) -> str:
        """Store an image of a job and return its blob's digest."""
        digest = self.blobs.put(stored.SerializeToString())
        self.connection.hset(key("images", job.name.removeprefix("jobs/")), str(number), digest)
        return digest

    def evaluation(self) -> Job:
        """Create an evaluation."""
        return JobStore(self.connection).create(JobSpec(evaluate=EvaluateSpec(model="models/m")), request_digest="d")[0]

    def training(self) -> Job:
        """Create a job that has no images."""
        return JobStore(self.connection).create(JobSpec(train=TrainSpec()), request_digest="d")[0]


def pixels(number: int, shape: tuple[int, int, int] = SHAPE, *, final: bool = False) -> NDArray[np.float32]:
    """Return what image ``number`` shows."""
    return np.random.default_rng([number, final]).random(shape, np.float32)


def tensor(array: NDArray[np.float32]) -> Tensor:
    return Tensor(element_type=ElementType.ELEMENT_TYPE_FLOAT32, shape=array.shape, data=array.tobytes())


def image(spec: VisualizeSpec, number: int, shape: tuple[int, int, int] = SHAPE) -> Image:
    """Return an image as a worker would store it: without name and subject; see ``sent``."""
    item = ImageOrder(visualization_request(spec)).item(number)
    snapshots = [
        OptimizedImage(
            pixels=tensor(pixels(number, shape, final=final)),
            objective=number + 0.5,
            predicted_class=number % 10,
            probability=0.25,
            iteration=30,
        )
        for final in (True, False)
    ]
    return Image(
        restart=item.restart,
        final=snapshots[0],
        best=snapshots[1],
        trace=Trace(**dict.fromkeys(TRACED, tensor(np.zeros(3, np.float32)))),
        verdict=Verdict(outcome=Verdict.OUTCOME_NORMAL, upper_bound=2.0 * number + 1, reached=0.5),
        cache_key=f"{number:064x}",
    )


def sent(spec: VisualizeSpec, number: int) -> Image:
    """Return an image of ``jobs/j`` as the service sends it."""
    sent = addressed("j", ImageOrder(visualization_request(spec)), number)
    sent.MergeFrom(image(spec, number))
    return sent
