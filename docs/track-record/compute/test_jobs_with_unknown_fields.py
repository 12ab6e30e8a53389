"""A worker does not compute a job that has a field which it does not know."""

import signal
from pathlib import Path

import pytest
import redis

from convscope.store import JobStore, StoreSettings
from convscope.store.embedded import EmbeddedRedis
from convscope.store.queue import carrier
from convscope.v1.jobs_pb2 import JobSpec, JobState
from convscope.v1.models_pb2 import Model
from convscope.v1.train_pb2 import Activation, Convolution, Dense, Network, Precision, TrainSpec
from convscope.worker.horse import Horse

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
    iterations=1,
    report_interval=1,
    seed=1,
)

# The field 99, a varint of 1, as it is on the wire.
NEW = b"\x98\x06\x01"


def test_a_job_with_a_field_that_is_not_known_is_not_computed(
    connection: redis.Redis, redis_server: EmbeddedRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = JobSpec(train=TrainSpec.FromString(SPEC.SerializeToString() + NEW))
    jobs = JobStore(connection)
    job, _ = jobs.create(spec, request_digest="d", model=Model(dataset="datasets/mnist"))
    job_id = job.name.removeprefix("jobs/")
    settings = StoreSettings(home=tmp_path, redis_url=redis_server.url, artifacts_url=tmp_path.as_uri())
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # the signals are the test's
    Horse(settings, connection, carrier(job_id, 0)).run(job_id, 0)
    assert jobs.get(job.name).state == JobState.JOB_STATE_FAILED
