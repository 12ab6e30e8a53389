"""``convscope worker``: computes parts of jobs."""

import argparse
import contextlib
import logging
import os
import re
import socket
import sys
from dataclasses import replace
from importlib import import_module

import redis

from convscope.engine.data.settings import DataSettings
from convscope.engine.runtime.memory import parse_memory
from convscope.store import (
    LayoutError,
    PolicyError,
    StoreSettings,
    argument,
    await_redis,
    check_layout,
    check_policy,
    connect_patiently,
    connect_promptly,
    end_on_interrupt,
    new_id,
    positive,
)
from convscope.worker.settings import (
    DEVICE_VARIABLE,
    KEEP_WARM_VARIABLE,
    MEMORY_VARIABLE,
    THREADS_VARIABLE,
    WorkerSettings,
)
from convscope.worker.supervisor.gpu_workers import run_gpu_workers
from convscope.worker.supervisor.gpus import find_gpus

__all__ = ["main"]

log = logging.getLogger(__name__)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="convscope worker",
        description="Run a worker. Any number, on any machine, can share one Redis and one artifact store. "
        "When told to stop, it gives its part of a job back to the queue.",
        epilog="Environment: CONVSCOPE_REDIS_URL, CONVSCOPE_ARTIFACTS_URL, CONVSCOPE_HOME, CONVSCOPE_DATA, "
        "CONVSCOPE_MNIST_URL, CONVSCOPE_THREADS, CONVSCOPE_MEMORY, CONVSCOPE_DEVICE, "
        "CONVSCOPE_CHECKPOINT_STEPS, CONVSCOPE_KEEP_WARM.",
    )
    on = parser.add_mutually_exclusive_group()
    on.add_argument("--device", choices=["cpu", "gpu"], help="what to compute on (default: CONVSCOPE_DEVICE, else cpu)")
    on.add_argument("--gpus", choices=["all"], help="run one worker for each GPU of this machine")
    parser.add_argument(
        "--threads", type=argument(positive), metavar="N", help="threads to compute with (default: one per processor)"
    )
    parser.add_argument(
        "--memory",
        type=argument(parse_memory),
        metavar="SIZE",
        help="memory of the process that computes, such as 2GiB or 512MiB (default: half of the machine's)",
    )
    parser.add_argument("--finish", action="store_true", help="when told to stop, finish the part of a job instead")
    parser.add_argument("--burst", action="store_true", help="stop as soon as the queue is empty")
    return parser


def main() -> int:
    """Run a worker until SIGINT or SIGTERM, and return the exit code."""
    arguments = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr)
    _set_variables(arguments)
    try:
        store, settings = StoreSettings.from_environment(), WorkerSettings.from_environment()
        DataSettings.from_environment()  # read by the executors
    except ValueError as error:
        return _refuse(error)
    gpus = find_gpus() if arguments.gpus or settings.device == "gpu" else []
    if gpus and arguments.gpus:
        return run_gpu_workers(gpus, _passed_on(arguments))
    if arguments.gpus:
        log.warning("there is no GPU on this machine: continuing as one worker on its processors")
        os.environ[DEVICE_VARIABLE] = "cpu"
        settings = replace(settings, device="cpu")
    elif settings.device == "gpu" and not gpus:
        return _refuse(ValueError("there is no GPU on this machine; use --device cpu"))
    with contextlib.suppress(redis.RedisError):  # it may come later: it is checked again before the first part
        try:
            _check_redis(connect_promptly(store.redis_url))
        except (PolicyError, LayoutError) as error:
            return _refuse(error)
    _prepare(settings.device)
    return _work(store, settings, burst=arguments.burst, finish=arguments.finish)


def _set_variables(arguments: argparse.Namespace) -> None:
    """Put the command line's settings into the environment, where this process and its children read them."""
    given = {DEVICE_VARIABLE: arguments.device, MEMORY_VARIABLE: arguments.memory, THREADS_VARIABLE: arguments.threads}
    if arguments.burst:
        given[KEEP_WARM_VARIABLE] = 0
    os.environ.update({variable: str(value) for variable, value in given.items() if value is not None})


def _passed_on(arguments: argparse.Namespace) -> list[str]:
    """Return the arguments for the worker of a GPU."""
    flags = [f"--{name}" for name in ("finish", "burst") if getattr(arguments, name)]
    return [*flags, *(["--threads", str(arguments.threads)] if arguments.threads else [])]


def _prepare(device: str) -> None:
    """Import what the executors need: they are forked from this process and start in milliseconds."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # errors come as exceptions
    os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever backend the user has chosen
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # before TensorFlow is imported: other programs may use the GPU
    import_module("convscope.worker.executor.warm").warm()


def _check_redis(connection: redis.Redis) -> None:
    check_policy(connection)
    check_layout(connection)


def _work(store: StoreSettings, settings: WorkerSettings, *, burst: bool, finish: bool) -> int:
    from convscope.engine.runtime.threads import default_threads  # noqa: PLC0415 - TensorFlow, imported by now
    from convscope.worker.supervisor.rq_worker import Supervisor  # noqa: PLC0415 - RQ, needed only here

    connection = connect_patiently(store.redis_url)
    try:
        await_redis(store.redis_url)
        _check_redis(connection)
    except (PolicyError, LayoutError) as error:
        return _refuse(error)
    name = f"{worker_host()}-{new_id()}"
    supervisor = Supervisor(
        connection,
        connect_promptly(store.redis_url),
        name,
        device=settings.device,
        finish=finish,
        threads=settings.threads or default_threads(),
    )
    if burst:
        supervisor.work_in_burst()
    else:
        supervisor.work(logging_level="WARNING")
    return 0


def worker_host() -> str:
    """Return the prefix of workers' names on this machine: lower-case letters, digits and hyphens, 40 at most."""
    return re.sub(r"[^a-z0-9]+", "-", socket.gethostname().lower()).strip("-")[:40] or "worker"


def _refuse(error: Exception) -> int:
    print(f"convscope worker: {error}", file=sys.stderr)  # noqa: T201 - for the person who started it
    return 2


if __name__ == "__main__":
    end_on_interrupt()
    sys.exit(main())
