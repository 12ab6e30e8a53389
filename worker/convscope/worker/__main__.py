"""``convscope worker``: takes parts of jobs off the queue and computes them."""

import argparse
import logging
import os
import socket
import sys
from importlib import import_module

from convscope.store import PolicyError, StoreSettings, await_redis, check_policy, connect_patiently
from convscope.store.names import new_id
from convscope.worker.variables import THREADS_VARIABLE, check_variables, positive

__all__ = ["main"]


def main() -> int:
    """Run a worker until SIGINT or SIGTERM; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="convscope worker",
        description="Run a worker. Any number, on any machine, can share one Redis and one artifact store. "
        "When told to stop, it gives the job that it computes back to the queue.",
        epilog="Environment: CONVSCOPE_REDIS_URL, CONVSCOPE_ARTIFACTS_URL, CONVSCOPE_HOME, CONVSCOPE_DATA, "
        "CONVSCOPE_MNIST_URL, CONVSCOPE_THREADS, CONVSCOPE_CHECKPOINT_STEPS.",
    )
    parser.add_argument(
        "--threads", type=positive, metavar="N", help="threads to compute with (default: one per processor)"
    )
    parser.add_argument(
        "--finish", action="store_true", help="when told to stop, finish the job that it computes instead"
    )
    parser.add_argument("--burst", action="store_true", help="stop as soon as the queue is empty")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        settings = StoreSettings.from_environment()
        check_variables()
    except ValueError as error:
        return _refuse(error)
    _prepare(arguments.threads)
    return _work(settings, burst=arguments.burst, finish=arguments.finish)


def _prepare(threads: int | None) -> None:
    """Import what the horses need: they are forked from this process and start in milliseconds."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what goes wrong reaches us as exceptions
    os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever else this user uses Keras with
    if threads:
        os.environ[THREADS_VARIABLE] = str(threads)
    import_module("convscope.worker.warm").warm()


def _work(settings: StoreSettings, *, burst: bool, finish: bool) -> int:
    from convscope.worker.parent import PartWorker  # noqa: PLC0415 - RQ, only where work is done

    connection = connect_patiently(settings.redis_url)
    try:
        await_redis(settings.redis_url)
        check_policy(connection)
    except PolicyError as error:
        return _refuse(error)
    name = f"{socket.gethostname()}-{new_id()}"
    PartWorker(connection, name, finish=finish).work(burst=burst, logging_level="WARNING")
    return 0


def _refuse(error: Exception) -> int:
    print(f"convscope worker: {error}", file=sys.stderr)  # noqa: T201 - for the person who started it
    return 2


if __name__ == "__main__":
    sys.exit(main())
