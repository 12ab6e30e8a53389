"""Memory that callers without a token can make the service hold."""

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc

from benchmarks.figures import Family, Figure
from benchmarks.http2 import Caller
from benchmarks.rounds import Round
from benchmarks.service_alone import service_alone
from convscope.service.server_info import MAX_REQUEST_BYTES
from convscope.store.embedded import EmbeddedRedis

__all__ = ["FAMILY", "MIB", "peak_memory", "strain"]

MIB = 2**20

MEMORY = Figure(
    name="service-memory",
    what="growth of the service by callers without token: six requests of 120 MiB, four gzip ones, and many that do "
    "not end",
    target=50,
    unit="MiB",
    noise=0.3,
    bound="at most",
)

CREATE, CHECK, WATCH = "/convscope.v1.Jobs/CreateJob", "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"

# What is sent at once: bytes of a message, and how many of those that are plain and of those that are compressed.
LARGE = 120 * MIB
AT_ONCE = {grpc.Compression.NoCompression: 6, grpc.Compression.Gzip: 4}

# Connections that are held open, requests on each of them, and for how long, in seconds.
CONNECTIONS, STREAMS = 5, 20
HELD_S = {CHECK: 2.0, CREATE: 1.0, WATCH: 1.0}


def measure(_: Round, names: frozenset[str]) -> Iterator[tuple[str, float]]:
    """Strain a separate service."""
    assert names == {MEMORY.name}
    with (
        tempfile.TemporaryDirectory(prefix="cs-") as folder,
        EmbeddedRedis(Path(folder) / "redis").running() as server,
        service_alone(server.url, Path(folder), CONVSCOPE_TOKEN="t") as (address, process),
    ):
        before = peak_memory(process.pid)
        codes = strain(address)
        assert grpc.StatusCode.OK not in codes, "a request was accepted that is too large"
        yield MEMORY.name, (peak_memory(process.pid) - before) / MIB


def peak_memory(pid: int) -> int:
    """Return the largest resident memory that a process ever had, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def strain(address: str) -> list[grpc.StatusCode]:
    """Send large requests, hold many that do not end, and return the codes of those that were sent whole."""
    codes = []
    with ThreadPoolExecutor(max(AT_ONCE.values())) as pool:
        for method in (CREATE, CHECK):
            for compression, count in AT_ONCE.items():
                calls = [pool.submit(send, address, method, compression) for _ in range(count)]
                codes += [call.result() for call in calls]
    for method, seconds in HELD_S.items():
        hold(address, method, seconds)
    return codes


def send(address: str, method: str, compression: grpc.Compression) -> grpc.StatusCode:
    """Send a large message, and return the code of the call."""
    with grpc.insecure_channel(address, [("grpc.max_send_message_length", -1)]) as channel:
        call: Any = channel.unary_unary(method)  # grpcio's types know only callables with serializers
        try:
            call(bytes(LARGE), timeout=60, compression=compression)
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()
            return code
    return grpc.StatusCode.OK


def hold(address: str, method: str, seconds: float) -> None:
    """Send the largest messages except their last byte, and hold the calls open."""
    message = b"\0" + MAX_REQUEST_BYTES.to_bytes(4) + bytes(MAX_REQUEST_BYTES - 1)
    with ExitStack() as stack:
        callers = [stack.enter_context(Caller(address)) for _ in range(CONNECTIONS)]
        for caller in callers:
            for number in range(STREAMS):
                caller.call(2 * number + 1, method, message)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for caller in callers:
                caller.send()
                caller.receive(0.001)


FAMILY = Family(figures=(MEMORY,), measure=measure, rounds=2)
