"""Models as trainings leave them, without training."""

import redis

from convscope.store import BlobStore, JobStore, ModelManifests, ModelStore
from convscope.v1.jobs_pb2 import JobSpec
from convscope.v1.models_pb2 import Interpretation, ListTrainReportsResponse, Model
from convscope.v1.train_pb2 import TrainProgress, TrainSpec
from support.part_jobs import claim

__all__ = ["train_model"]


def train_model(connection: redis.Redis, blobs: BlobStore, *, manifest: bool = True) -> Model:
    """Run a job that leaves a model; its manifest is written as an executor writes it, unless it dies before."""
    job, _ = JobStore(connection).create(
        JobSpec(train=TrainSpec()), request_digest="d", model=Model(interpretation=Interpretation(classes=["0", "1"]))
    )
    attempt = claim(connection, job)
    model = ModelStore(connection).get(job.model)
    file = f"file of {job.name}".encode()
    model.step, model.digest.sha256, model.digest.size_bytes = 5, blobs.put(file), len(file)
    history = blobs.put(
        ListTrainReportsResponse(
            reports=[TrainProgress(step=int.from_bytes(job.name[-6:].encode()))]
        ).SerializeToString()
    )
    attempt.succeed(blobs.put(f"result of {job.name}".encode()), model, history)
    if manifest:
        ModelManifests(connection, blobs).keep(job.model)
    return ModelStore(connection).get(job.model)
