"""A training whose checkpoint cannot be restored goes on without it."""

import contextlib
from pathlib import Path

import redis

from convscope.store import Attempt, BlobStore, Checkpoint, JobStore
from convscope.store.embedded import EmbeddedRedis
from convscope.v1.jobs_pb2 import JobSpec, JobState
from convscope.v1.models_pb2 import Model
from convscope.v1.train_pb2 import Activation, Convolution, Dense, Network, Precision, TrainSpec
from convscope.worker.data import Dataset
from convscope.worker.errors import ModelFileError
from convscope.worker.horse_jobs import RUNNERS
from convscope.worker.horse_lease import LeaseKeeper
from convscope.worker.horse_report import Reporter

RELU = Activation.ACTIVATION_RELU
NETWORK = Network(
    convolutions=[Convolution(filters=2, kernel_size=3, pool_size=2, activation=RELU)],
    dense=[Dense(units=4, activation=RELU)],
)
SPEC = TrainSpec(
    dataset="datasets/mnist",
    network=NETWORK,
    learning_rate=1e-3,
    precision=Precision.PRECISION_FLOAT32,
    batch_size=8,
    iterations=3,
    report_interval=1,
    seed=1,
)


def test_a_state_that_cannot_be_restored_fails_no_training(
    connection: redis.Redis, redis_server: EmbeddedRedis, tmp_path: Path, mnist: Dataset
) -> None:
    jobs, blobs = JobStore(connection), BlobStore(tmp_path.as_uri())
    job, _ = jobs.create(JobSpec(train=SPEC), request_digest="d", model=Model(dataset="datasets/mnist"))
    attempt = Attempt.claim(connection, job.name.removeprefix("jobs/"), 0, worker="w", environment={})
    assert attempt is not None
    attempt.save_checkpoint(Checkpoint(2, blobs.put(b"no state")))
    reporter = Reporter(connection, attempt, blobs, LeaseKeeper(attempt, redis_server.url))
    with contextlib.suppress(ModelFileError):  # with which a worker fails the job
        RUNNERS["train"](reporter)
    assert jobs.get(job.name).state == JobState.JOB_STATE_SUCCEEDED
