"""Cost of checkpoints and leases in training."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Family, Figure
from benchmarks.rounds import Round
from convscope.store.embedded import EmbeddedRedis

__all__ = ["FAMILY"]

COST = Figure(
    name="keeping-cost",
    what="training time with checkpoints and lease over without, in process, median of 5 pairs",
    target=1.02,
    unit="x",
    noise=0.06,
    bound="at most",
)

PAIRS = 5

PROGRAM = """
import json, sys, time
from convscope.store import Attempt, BlobStore, Checkpoint, Claimant, JobStore, Scripts
from convscope.store import connect_patiently, connect_promptly
from convscope.v1 import jobs_pb2, train_pb2
from convscope.engine.data import load_dataset
from convscope.worker.executor.lease import LeaseKeeper
from convscope.engine.settings import TrainSettings
from convscope.engine.training import Checkpoints, state_to_bytes, train

redis_url, artifacts, pairs = sys.argv[1], sys.argv[2], int(sys.argv[3])
connection, blobs = connect_patiently(redis_url), BlobStore(artifacts)
data, settings = load_dataset("datasets/mnist"), TrainSettings(iterations=2000)

def bare():
    return train(data, settings).seconds

def kept():
    JobStore(connection).create(jobs_pb2.JobSpec(train=train_pb2.TrainSpec()), request_digest="")
    attempt = Attempt.claim(connection, Claimant(worker="bench"))
    lease = LeaseKeeper(attempt, Scripts(connect_promptly(redis_url)))
    lease.start()
    def save(step, model):
        attempt.save_checkpoint(Checkpoint(step, blobs.put(state_to_bytes(model))))
    seconds = train(data, settings, checkpoints=Checkpoints(save=save)).seconds
    lease.end()
    attempt.cancelled()
    return seconds

bare()
# The first of a pair gains or loses where the machine drifts, so they alternate.
print(json.dumps([[kept(), bare()] if number % 2 else [bare(), kept()][::-1] for number in range(pairs)]))
"""


def measure(_: Round, names: frozenset[str]) -> Iterator[tuple[str, float]]:
    """Train with and without, alternating, in a separate process."""
    assert names == {COST.name}
    with (
        tempfile.TemporaryDirectory(prefix="cs-") as folder,
        EmbeddedRedis(Path(folder) / "redis").running() as server,
    ):
        command = [sys.executable, "-c", PROGRAM, server.url, Path(folder, "artifacts").as_uri(), str(PAIRS)]
        answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    pairs = json.loads(answer.stdout.splitlines()[-1])
    yield from ((COST.name, kept / bare) for kept, bare in pairs)


FAMILY = Family(figures=(COST,), measure=measure)
