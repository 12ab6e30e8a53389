"""``convscope serve``: runs the gRPC service."""

import argparse
import asyncio
import logging
import sys

from convscope.service import signals
from convscope.service.announcing import ANNOUNCED
from convscope.service.listening import Listener
from convscope.service.server import ListenError, serve
from convscope.service.settings import DEFAULT_LISTEN, ServiceSettings
from convscope.store import BlobError, LayoutError, PolicyError, StoreSettings, end_on_interrupt

__all__ = ["main"]


def main() -> int:
    """Run the service until SIGINT or SIGTERM, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="convscope serve",
        description="Run the gRPC service. Any number can share one Redis and one artifact store.",
        epilog="Environment: CONVSCOPE_REDIS_URL, CONVSCOPE_ARTIFACTS_URL, CONVSCOPE_HOME, CONVSCOPE_LISTEN, "
        "CONVSCOPE_TLS_CERT, CONVSCOPE_TLS_KEY, CONVSCOPE_TOKEN, CONVSCOPE_INSECURE, CONVSCOPE_MAX_COST.",
    )
    parser.add_argument("--listen", help=f"HOST:PORT or unix:/PATH (default: CONVSCOPE_LISTEN, else {DEFAULT_LISTEN})")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        asyncio.run(_run(ServiceSettings.from_environment(arguments.listen), StoreSettings.from_environment()))
    except (ValueError, ListenError, BlobError, PolicyError, LayoutError) as error:
        print(f"convscope serve: {error}", file=sys.stderr)  # noqa: T201 - for the person who started it
        return 2
    return 0


async def _run(service: ServiceSettings, store: StoreSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in signals.STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    await serve(service, store, stop, ready=_announce)


def _announce(listener: Listener) -> None:
    print(f"{ANNOUNCED}{listener.address}", flush=True)  # noqa: T201 - the caller waits for this line


if __name__ == "__main__":
    end_on_interrupt()
    sys.exit(main())
