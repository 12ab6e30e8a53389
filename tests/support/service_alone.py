"""``convscope serve`` by itself, and its health."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from grpc_health.v1 import health_pb2, health_pb2_grpc

from support.api import PATIENCE_S, Api

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@contextlib.contextmanager
def service_alone(redis_url: str, home: Path, **environment: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """``convscope serve``, with a Redis of the test's own or none."""
    with subprocess.Popen(
        [sys.executable, "-m", "convscope.service", "--listen", "localhost:0"],
        env={**os.environ, "CONVSCOPE_REDIS_URL": redis_url, "CONVSCOPE_HOME": str(home), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            yield line.removeprefix("convscope serves at ").strip(), process
        finally:
            process.terminate()
            process.communicate(timeout=30)


def await_health(api: Api, wanted: int) -> None:
    watch = health_pb2_grpc.HealthStub(api.channel).Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S)
    for answer in watch:
        if answer.status == wanted:
            watch.cancel()
            return
