"""Calls in flight while the service stops: they end as those that are to be repeated."""

import asyncio
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import redis

from benchmarks.silent_store import code_of
from convscope.client import AsyncClient, Client, ServiceError, Unavailable
from convscope.store import BlobStore
from convscope.store.embedded import EmbeddedRedis
from convscope.store.jobs.attachments import Attachments, StoredFile
from convscope.v1.files_pb2 import ReadFileRequest
from convscope.v1.files_pb2_grpc import FilesStub
from convscope.v1.jobs_pb2 import ListJobsRequest
from convscope.v1.jobs_pb2_grpc import JobsStub
from support.part_jobs import claim
from support.service_alone import service_alone
from support.stored_images import Store

Serving = tuple[str, subprocess.Popen[str]]

# More than gRPC and the kernel hold of a stream that is not read, in bytes.
LARGE = 64 * 2**20

# Callers at once, calls that each has in flight, and how many it has made at least when the service is told to stop.
CALLERS, IN_FLIGHT, CALLS = 8, 10, 50


@pytest.fixture
def serving(redis_server: EmbeddedRedis, tmp_path: Path) -> Iterator[Serving]:
    with service_alone(redis_server.url, tmp_path) as serving:
        yield serving


def test_a_busy_service_ends_no_call_as_cancelled(serving: Serving) -> None:
    address, process = serving
    busy = [threading.Event() for _ in range(CALLERS)]
    with ThreadPoolExecutor(CALLERS + 2) as threads:
        codes = [threads.submit(codes_until_failure, address, event.set) for event in busy]
        clients = [threads.submit(fault_of_client, address), threads.submit(fault_of_async_client, address)]
        all_busy = all(event.wait(30) for event in busy)
        process.terminate()
    assert all_busy
    assert {code for caller in codes for code in caller.result()} == {grpc.StatusCode.UNAVAILABLE}
    assert {type(client.result()) for client in clients} == {Unavailable}
    assert process.wait(30) == 0


def codes_until_failure(address: str, busy: Callable[[], None]) -> set[grpc.StatusCode]:
    """Have calls in flight all the time, until some of them fail."""
    codes, count = set[grpc.StatusCode](), 0
    with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        while not codes:
            calls = [JobsStub(channel).ListJobs.future(ListJobsRequest(), timeout=30) for _ in range(IN_FLIGHT)]
            codes = {code_of(call.result) for call in calls} - {grpc.StatusCode.OK}
            count += len(calls)
            if count >= CALLS:
                busy()
    return codes


def fault_of_client(address: str) -> BaseException:
    with Client(address) as client:
        try:
            while True:
                list(client.jobs())
        except ServiceError as error:
            return error


def fault_of_async_client(address: str) -> BaseException:
    async def call() -> BaseException:
        async with AsyncClient(address) as client:
            try:
                while True:
                    async for _ in client.jobs():
                        pass
            except (ServiceError, asyncio.CancelledError) as error:
                return error

    return asyncio.run(call())


def test_calls_that_outlast_the_grace_are_unavailable(
    serving: Serving, connection: redis.Redis, tmp_path: Path
) -> None:
    address, process = serving
    store = Store(connection, BlobStore((tmp_path / "artifacts").as_uri()))
    evaluation = store.evaluation()
    file = StoredFile("large", "text/plain", store.blobs.put(bytes(LARGE)), LARGE)
    claim(connection, evaluation).succeed("", attachments=Attachments(files=[file]))
    sent = threading.Event()
    with grpc.insecure_channel(address) as channel:
        never_sent: Iterator[Any] = iter(sent.wait, True)
        unsent: Any = channel.stream_unary("/convscope.v1.Jobs/GetJob").future(never_sent, timeout=30)
        unread = FilesStub(channel).ReadFile(ReadFileRequest(name=f"{evaluation.name}/files/large"), timeout=30)
        next(unread)  # both have been accepted
        process.terminate()
        assert code_of(unsent.result) is grpc.StatusCode.UNAVAILABLE
        assert code_of(lambda: list(unread)) is grpc.StatusCode.UNAVAILABLE
        sent.set()
    assert process.wait(30) == 0
