"""``convscope up``: a private Redis, the service and workers on this machine, started and stopped together."""

import argparse
import asyncio
import contextlib
import logging
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import redis

from convscope.service.announcing import ANNOUNCED, READY
from convscope.service.children import ChildError, ModuleProcess
from convscope.service.settings import DEFAULT_LISTEN, ServiceSettings
from convscope.service.signals import STOP_SIGNALS, breaking_off
from convscope.store import (
    EmbeddedRedis,
    EmbeddedRedisError,
    LayoutError,
    PolicyError,
    StoreSettings,
    argument,
    check_layout,
    check_policy,
    connect_promptly,
    die_with_parent,
    end_on_interrupt,
    positive,
)

__all__ = ["main"]

log = logging.getLogger(__name__)

# How often the private Redis is checked, in seconds.
REDIS_PERIOD_S = 0.5


def main() -> int:
    """Run everything until SIGINT or SIGTERM, and return the exit code."""
    arguments = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr)
    if arguments.die_with_parent:
        die_with_parent()
    if arguments.home:
        os.environ["CONVSCOPE_HOME"] = str(arguments.home.absolute())
    try:
        service = ServiceSettings.from_environment(arguments.listen)
        asyncio.run(_run(service, StoreSettings.from_environment(), _workers(arguments)))
    except (ValueError, EmbeddedRedisError, ChildError, PolicyError, LayoutError) as error:
        print(f"convscope up: {error}", file=sys.stderr)  # noqa: T201 - for the person who started it
        return 2
    except OSError as error:
        named = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        print(f"convscope up: {named}", file=sys.stderr)  # noqa: T201 - for the person who started it
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="convscope up",
        description="Run everything on this machine: a private Redis (unless CONVSCOPE_REDIS_URL names one), the gRPC "
        "service and workers. Jobs and models are kept in the home directory. Ctrl-C stops it all; jobs that were "
        "running are queued again.",
        epilog="Environment: CONVSCOPE_REDIS_URL, CONVSCOPE_ARTIFACTS_URL, CONVSCOPE_HOME; for the service "
        "CONVSCOPE_LISTEN, CONVSCOPE_TLS_CERT, CONVSCOPE_TLS_KEY, CONVSCOPE_TOKEN, CONVSCOPE_INSECURE, "
        "CONVSCOPE_MAX_COST; for workers CONVSCOPE_DATA, CONVSCOPE_MNIST_URL, CONVSCOPE_THREADS, CONVSCOPE_MEMORY, "
        "CONVSCOPE_DEVICE, CONVSCOPE_CHECKPOINT_STEPS, CONVSCOPE_KEEP_WARM.",
    )
    parser.add_argument("--listen", help=f"HOST:PORT or unix:/PATH (default: CONVSCOPE_LISTEN, else {DEFAULT_LISTEN})")
    parser.add_argument(
        "--workers", type=argument(positive), default=1, metavar="N", help="number of workers (default: 1)"
    )
    parser.add_argument(
        "--threads", type=argument(positive), metavar="N", help="threads of each worker (default: one per processor)"
    )
    parser.add_argument("--gpus", choices=["all"], help="run a worker for each GPU instead, if this machine has any")
    parser.add_argument(
        "--home", type=Path, help="where to keep everything (default: CONVSCOPE_HOME, else ~/.convscope)"
    )
    parser.add_argument("--die-with-parent", action="store_true", help=argparse.SUPPRESS)  # for those who start it
    return parser


def _workers(arguments: argparse.Namespace) -> list[list[str]]:
    """Return the arguments of each worker to run."""
    limit = ["--threads", str(arguments.threads)] if arguments.threads else []
    if arguments.gpus:
        return [["--gpus", arguments.gpus, *limit]]
    return [limit] * int(arguments.workers)


async def _run(service: ServiceSettings, store: StoreSettings, workers: list[list[str]]) -> None:
    stop = asyncio.Event()
    for number in STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        environment = {**os.environ, "CONVSCOPE_HOME": str(store.home)}
        private = None if store.is_redis_given else EmbeddedRedis(store.home / "redis")
        if private:
            stack.callback(private.stop)
            environment["CONVSCOPE_REDIS_URL"] = private.url
            with breaking_off(stop):
                private.start()
            if stop.is_set():
                return
        await asyncio.to_thread(_check_redis, private.url if private else store.redis_url)
        children = _children(service, environment, workers)
        for child in children:
            stack.push_async_callback(child.stop)
        started = asyncio.gather(*(child.start() for child in children))
        await _unless_stopped(started, stop)
        if not stop.is_set():
            address = _keep_port(children[0], service.listen)
            print(f"{READY}{address}", flush=True)  # noqa: T201 - the caller waits for this line
            await _unless_stopped(asyncio.gather(*(child.keep() for child in children), _keep(private, stop)), stop)
        log.info("stopping")
        await asyncio.gather(*(child.stop() for child in children))


def _check_redis(url: str) -> None:
    """Refuse an unusable Redis before children start, so that the user sees one message."""
    with contextlib.suppress(redis.RedisError), contextlib.closing(connect_promptly(url)) as connection:
        check_policy(connection)
        check_layout(connection)


async def _keep(private: EmbeddedRedis | None, stop: asyncio.Event) -> None:
    while private is not None:
        with breaking_off(stop):
            private.keep()
        await asyncio.sleep(REDIS_PERIOD_S)


def _children(service: ServiceSettings, environment: dict[str, str], workers: list[list[str]]) -> list[ModuleProcess]:
    return [
        ModuleProcess("the service", _service_command(service.listen), environment),
        *(
            ModuleProcess(f"worker {number}", ["convscope.worker", *arguments], environment)
            for number, arguments in enumerate(workers, 1)
        ),
    ]


def _keep_port(service: ModuleProcess, listen: str) -> str:
    """Return the address that the service announced, and make its restarts listen on the same port."""
    address = service.line.removeprefix(ANNOUNCED)
    if listen.endswith(":0") and not listen.startswith("unix"):
        listen = f"{listen.rpartition(':')[0]}:{address.rpartition(':')[2]}"
    service.run_next(_service_command(listen))
    return address


def _service_command(listen: str) -> list[str]:
    return ["convscope.service", "--listen", listen]


async def _unless_stopped(work: "asyncio.Future[Any]", stop: asyncio.Event) -> None:
    waiting = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([work, waiting], return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
    finally:
        for future in (waiting, work):
            future.cancel()
        await asyncio.gather(waiting, work, return_exceptions=True)


if __name__ == "__main__":
    end_on_interrupt()
    sys.exit(main())
