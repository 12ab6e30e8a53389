"""Workers on GPUs: how these are found, and what becomes of a worker where there are none."""

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from convscope.store import JobStore, read_log
from convscope.store.embedded import EmbeddedRedis
from convscope.v1.device_pb2 import Device
from convscope.v1.jobs_pb2 import Failure, JobEvent, JobSpec, JobState
from convscope.v1.models_pb2 import Model
from convscope.v1.train_pb2 import TrainSpec
from convscope.worker.supervisor import gpu_workers
from convscope.worker.supervisor.gpus import find_gpus

HAS_GPU = bool(find_gpus())

# Of Python 3.12 and later: other tests have left threads.
MANY_THREADS = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")

# Takes a line of shell; returns what each worker had, and the exit code.
Instead = Callable[[str], list[str]]


def fake_tool(folder: Path, gpus: int) -> Path:
    """Write the driver's tool of a machine with so many GPUs."""
    tool = folder / "nvidia-smi"
    lines = "".join(f"echo 'GPU {number}: Some GPU (UUID: GPU-{number})'\n" for number in range(gpus))
    tool.write_text(f"#!/bin/sh\n{lines}")
    tool.chmod(0o755)
    return folder


def worker(
    *arguments: str, redis_url: str, home: Path, path: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CONVSCOPE_REDIS_URL": redis_url, "CONVSCOPE_HOME": str(home), **variables}
    if path is not None:
        environment["PATH"] = f"{path}{os.pathsep}{environment['PATH']}"
    return subprocess.run(
        [sys.executable, "-m", "convscope.worker", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def training(connection: redis.Redis, dataset: str, device: Device.ValueType = Device.DEVICE_ANY) -> str:
    """Queue a job that trains on a dataset and return its name."""
    spec = JobSpec(train=TrainSpec(dataset=dataset))
    job, _ = JobStore(connection).create(spec, request_digest="d", model=Model(), device=device)
    return job.name


def test_gpus_are_found_by_their_device_files(tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidia2", "nvidia10", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    assert find_gpus(tmp_path) == [0, 1, 2]  # as CUDA counts them


def test_gpus_are_found_by_the_drivers_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(fake_tool(tmp_path, 2)))
    assert find_gpus(tmp_path) == [0, 1]
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
    assert find_gpus(tmp_path) == []
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert find_gpus(tmp_path) == []


@pytest.fixture
def instead_of_workers(own_signals: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Instead:
    """Runs a line of shell in place of each of two GPUs' workers."""
    monkeypatch.setattr(gpu_workers, "PERIOD_S", 0.01)

    def run(line: str) -> list[str]:
        program, log = tmp_path / "python", tmp_path / "log"
        had = '"$CONVSCOPE_DEVICE $CUDA_VISIBLE_DEVICES $TF_FORCE_GPU_ALLOW_GROWTH $*"'
        program.write_text(f"#!/bin/sh\necho {had} >> {log}\n{line}\n")
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))
        code = gpu_workers.run_gpu_workers([0, 1], ["--finish"])
        return [*sorted(log.read_text().splitlines()), str(code)]

    return run


@MANY_THREADS
def test_a_gpus_worker_sees_it_alone_and_takes_memory_as_it_needs_it(instead_of_workers: Instead) -> None:
    common = "true -m convscope.worker --finish"
    assert instead_of_workers("exit 0") == [f"gpu 0 {common}", f"gpu 1 {common}", "0"]


@MANY_THREADS
def test_a_gpus_worker_that_dies_is_started_again(tmp_path: Path, instead_of_workers: Instead) -> None:
    lines = instead_of_workers(f"mkdir {tmp_path}/$CUDA_VISIBLE_DEVICES && exit 9; exit 0")
    assert [line[:5] for line in lines] == ["gpu 0", "gpu 0", "gpu 1", "gpu 1", "0"]


@MANY_THREADS
def test_a_gpus_worker_is_started_again_although_the_system_refused_once(
    tmp_path: Path, instead_of_workers: Instead, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals: list[object] = []

    def repair(_: str, error: OSError) -> None:
        refusals.append(type(error))
        (tmp_path / "python").chmod(0o755)

    monkeypatch.setattr(gpu_workers.log, "warning", repair)
    line = f"[ $CUDA_VISIBLE_DEVICES = 1 ] && mkdir {tmp_path}/1 && chmod a-x {tmp_path}/python && exit 9; exit 0"
    assert [line[:5] for line in instead_of_workers(line)] == ["gpu 0", "gpu 1", "gpu 1", "0"]
    assert refusals == [PermissionError]


@MANY_THREADS
def test_a_gpus_worker_that_refuses_is_not(instead_of_workers: Instead) -> None:
    assert [line[:5] for line in instead_of_workers("exit 2")] == ["gpu 0", "gpu 1", "2"]


@pytest.mark.skipif(HAS_GPU, reason="this machine has a GPU")
def test_without_a_gpu_a_worker_says_so_and_takes_a_job_whose_dataset_is_damaged(
    redis_server: EmbeddedRedis, connection: redis.Redis, tmp_path: Path
) -> None:
    (tmp_path / "mnist").mkdir()
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (tmp_path / "mnist" / f"{name}-ubyte.gz").write_bytes(gzip.compress(b"not MNIST"))
    job = training(connection, "datasets/mnist")
    done = worker("--gpus", "all", "--burst", redis_url=redis_server.url, home=tmp_path, CONVSCOPE_DATA=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("is ready") == 1
    (line,) = [line for line in done.stderr.splitlines() if "no GPU" in line]
    assert "continuing as one worker on its processors" in line
    failure = JobStore(connection).get(job).failure  # it took the job, whose dataset is damaged
    assert failure.reason == Failure.REASON_DATASET
    assert "-ubyte.gz" in failure.message


@pytest.mark.skipif(HAS_GPU, reason="this machine has a GPU")
def test_without_a_gpu_a_worker_for_one_is_refused(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    done = worker("--device", "gpu", redis_url=redis_server.url, home=tmp_path)
    assert (done.returncode, done.stderr) == (
        2,
        "convscope worker: there is no GPU on this machine; use --device cpu\n",
    )


@pytest.mark.skipif(HAS_GPU, reason="this machine has a GPU")
def test_each_gpu_has_a_worker_that_takes_its_jobs(
    redis_server: EmbeddedRedis, connection: redis.Redis, tmp_path: Path
) -> None:
    job = training(connection, "datasets/none", Device.DEVICE_GPU)
    done = worker("--gpus", "all", "--burst", redis_url=redis_server.url, home=tmp_path, path=fake_tool(tmp_path, 2))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("is ready") == 2
    assert JobStore(connection).get(job).state == JobState.JOB_STATE_FAILED  # there is no such dataset
    events = [
        JobEvent.FromString(entry.event) for entry in read_log(connection, job.removeprefix("jobs/"), 0, 10).entries
    ]
    assert [event.WhichOneof("event") for event in events] == ["queued", "attempt_started", "finished"]
