"""The client for asyncio: the same methods, the same errors, and an event loop that is never held up."""

import asyncio
import inspect
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc
import pytest

from convscope.client import (
    AsyncClient,
    AsyncJob,
    AsyncVisualizations,
    Client,
    InvalidValue,
    Job,
    JobState,
    NotFound,
    ServiceError,
    Unavailable,
    Visualizations,
    errors,
)
from convscope.v1 import files_pb2, images_pb2, jobs_pb2
from support.fake_service import FakeService, endless_watch, event, finished, job, running_fake
from support.lags import never_held_up

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"

# Results awaited at once.
RESULTS = 50


@pytest.fixture
async def waiting(fake: FakeService) -> AsyncIterator[AsyncClient]:
    """An asyncio client of the fake, which does not wait long for one that is away."""
    async with AsyncClient(fake.address, timeout=20, patience=5) as connected:
        yield connected


def public_names(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


@pytest.mark.parametrize(
    ("plain", "asynchronous"),
    [
        (Client, AsyncClient),
        (Job, AsyncJob),
        (Visualizations, AsyncVisualizations),
    ],
)
def test_every_method_is_there_with_the_same_arguments(plain: type, asynchronous: type) -> None:
    assert public_names(plain) == public_names(asynchronous)
    for name in public_names(plain) | {"__init__"}:
        ours, theirs = getattr(plain, name), getattr(asynchronous, name)
        assert isinstance(ours, property) == isinstance(theirs, property), name
        if isinstance(ours, property):
            continue
        assert inspect.iscoroutinefunction(theirs) != returns_an_iterator(theirs) or name in {"job", "__init__"}, name
        expected = {key: (value.kind, value.default) for key, value in inspect.signature(ours).parameters.items()}
        arguments = {key: (value.kind, value.default) for key, value in inspect.signature(theirs).parameters.items()}
        assert list(arguments.items()) == list(expected.items()), name


def returns_an_iterator(method: Any) -> bool:
    return str(inspect.signature(method).return_annotation).startswith("collections.abc.Async")


def test_the_client_for_threads_is_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "scripts/sync_client.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


async def test_many_results_at_once_never_hold_up_the_program() -> None:
    with many_results() as address:
        async with AsyncClient(address) as client, never_held_up():
            results = await asyncio.gather(*(client.job(str(number)).result() for number in range(RESULTS)))
    assert {type(result).__name__ for result in results} == {"TrainResult", "EvaluateResult", "VisualizeResult"}


@contextmanager
def many_results() -> Iterator[str]:
    """Run a service in a separate process, whose jobs have large results; yield its address."""
    command = [sys.executable, "-m", "support.many_results"]
    with subprocess.Popen(command, cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


async def test_a_result_that_is_not_awaited_any_more_ends_the_call_and_not_the_job(
    fake: FakeService, waiting: AsyncClient
) -> None:
    ended: list[bool] = []

    def endless(_: Any, context: grpc.ServicerContext) -> Iterator[jobs_pb2.JobEvent]:
        context.add_callback(lambda: ended.append(True))
        yield event(1)
        while context.is_active():
            time.sleep(0.01)

    fake.handlers["WatchJob"] = endless
    happened = asyncio.Event()
    task = asyncio.create_task(waiting.job("j").result(progress=lambda _: happened.set()))
    await asyncio.wait_for(happened.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(ended)
    assert not any(isinstance(request, jobs_pb2.CancelJobRequest) for request in fake.requests)
    assert await waiting.job("j").state() is JobState.RUNNING


async def eventually(happened: list[bool]) -> None:
    async with asyncio.timeout(10):
        while not happened:  # noqa: ASYNC110  a thread of the server's appends to it
            await asyncio.sleep(0.01)


async def test_one_of_two_that_await_can_leave(fake: FakeService, waiting: AsyncClient) -> None:
    fake.handlers["WatchJob"] = ended_at_a_word = Word()
    leaving, staying = (asyncio.create_task(waiting.job("j").result()) for _ in range(2))
    await eventually(ended_at_a_word.asked)
    leaving.cancel()
    await asyncio.wait([leaving])
    ended_at_a_word.said = True
    with pytest.raises(errors.JobFailed):
        await staying
    assert leaving.cancelled()


class Word:
    """Watches that end when the word is said; ``asked`` has one for each."""

    def __init__(self) -> None:
        self.asked: list[bool] = []
        self.said = False

    def __call__(self, _: Any, context: grpc.ServicerContext) -> Iterator[jobs_pb2.JobEvent]:
        self.asked.append(True)
        yield event(1)
        while context.is_active() and not self.said:
            time.sleep(0.01)
        yield finished(2, "FAILED")


async def test_a_watch_that_is_closed_or_left_ends_the_call(fake: FakeService, waiting: AsyncClient) -> None:
    ended: list[bool] = []

    fake.handlers["WatchJob"] = endless_watch(ended)
    async with aclosing(waiting.job("j").watch()) as events:
        assert (await anext(events)).sequence == 1
    await eventually(ended)
    ended.clear()
    async for happened in waiting.job("j").watch():
        assert happened.sequence == 1
        break
    await eventually(ended)


async def test_a_watch_is_resumed_where_it_broke(fake: FakeService, waiting: AsyncClient) -> None:
    log = [*(event(sequence) for sequence in range(1, 5)), finished(5)]

    def breaking(request: Any, context: grpc.ServicerContext) -> Iterator[jobs_pb2.JobEvent]:
        yield from log[request.after_sequence :][:2]
        if request.after_sequence < 4:
            context.abort(grpc.StatusCode.UNAVAILABLE, "broken")

    fake.handlers["WatchJob"] = breaking
    assert [happened.sequence async for happened in waiting.job("j").watch()] == [1, 2, 3, 4, 5]


async def test_a_server_that_is_away_is_waited_for(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/s"
    async with AsyncClient(address, patience=20) as client:
        result = asyncio.create_task(client.job("j").result())
        with pytest.raises(Unavailable):
            await client.job("j").refresh()
        with running_fake(address) as fake:
            fake.handlers["GetJob"] = lambda *_: job(state="CANCELLED")
            with pytest.raises(errors.JobCancelled):
                await result


async def test_patience_ends(tmp_path: Path) -> None:
    async with AsyncClient(f"unix:{tmp_path}/s", patience=0.2) as client:
        with pytest.raises(Unavailable):
            await client.job("j").result()
        with pytest.raises(errors.DeadlineExceeded, match=r"jobs/j has not ended within 0\.1 s"):
            await client.job("j").result(timeout=0.1)


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
async def test_errors_are_those_of_the_client_for_threads(
    fake: FakeService, client: Client, waiting: AsyncClient, code: grpc.StatusCode
) -> None:
    fake.handlers["DeleteJob"] = lambda _, context: context.abort(code, "a reason")
    fake.handlers["WatchJob"] = lambda _, context: context.abort(code, "a reason")
    with pytest.raises(ServiceError) as plain:
        client.job("j").delete()
    with pytest.raises(type(plain.value)) as caught:
        await waiting.job("j").delete()
    assert (type(caught.value), str(caught.value)) == (type(plain.value), str(plain.value))


@pytest.mark.parametrize("size", [1, 100_000])
async def test_an_answer_that_is_no_message_is_the_error_of_the_client_for_threads(tmp_path: Path, size: int) -> None:
    address, server = f"unix:{tmp_path}/s", grpc.server(ThreadPoolExecutor(1))
    answer: Any = grpc.unary_unary_rpc_method_handler(lambda *_: b"\xff" * size)
    server.add_registered_method_handlers("convscope.v1.Jobs", {"GetJob": answer})
    server.add_insecure_port(address)
    server.start()
    try:
        with Client(address) as client, pytest.raises(ServiceError) as plain:
            client.job("j").refresh()
        async with AsyncClient(address) as waiting:
            with pytest.raises(type(plain.value)):
                await waiting.job("j").refresh()
    finally:
        server.stop(None)


async def test_what_cannot_be_right_is_not_sent(fake: FakeService, waiting: AsyncClient) -> None:
    with pytest.raises(InvalidValue, match="batch_size"):
        await waiting.train(batch_size=0)
    with pytest.raises(errors.InvalidType, match="continue_from"):
        await waiting.train(continue_from=5)  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match="states"):
        waiting.jobs(states="odd")
    assert not fake.requests


async def test_what_a_handle_does_not_know_it_says(fake: FakeService, waiting: AsyncClient) -> None:
    described = job("evaluate")
    described.effective_spec.evaluate.model = "models/m"
    short = jobs_pb2.Job(name=described.name, kind=described.kind, state=described.state)
    fake.handlers["GetJob"] = lambda *_: described
    fake.handlers["ListJobs"] = lambda *_: jobs_pb2.ListJobsResponse(jobs=[short])
    named, (listed,) = waiting.job("j"), [handle async for handle in waiting.jobs()]
    for fact in ("info", "kind", "model", "spec"):
        with pytest.raises(InvalidValue, match=r"await job\.refresh"):
            getattr(named, fact)
    assert (listed.kind, listed.info.name) == ("evaluate", "jobs/j")
    for fact in ("model", "spec"):
        with pytest.raises(InvalidValue, match=r"await job\.refresh"):
            getattr(listed, fact)
    for handle in (named, listed):
        await handle.refresh()
        assert (handle.kind, handle.model, handle.spec) == ("evaluate", "models/m", {"model": "models/m"})


async def test_a_training_got_by_name_is_asked_for_its_model(fake: FakeService, waiting: AsyncClient) -> None:
    training = job("train")
    training.model = "models/made"
    fake.handlers["GetJob"] = lambda *_: training
    fake.handlers["CreateJob"] = lambda request, _: job("evaluate")
    await waiting.evaluate(waiting.job("j"))
    assert fake.requests[-1].job.spec.evaluate.model == "models/made"


async def test_leaving_the_block_closes_the_client(fake: FakeService) -> None:
    async with AsyncClient(fake.address) as client:
        await client.job("j").refresh()
    with pytest.raises(ServiceError, match="closed"):
        await client.job("j").refresh()
    await client.close()


async def test_closing_ends_what_is_awaited(fake: FakeService, waiting: AsyncClient) -> None:
    fake.handlers["WatchJob"] = word = Word()
    result = asyncio.create_task(waiting.job("j").result())
    await eventually(word.asked)
    await waiting.close()
    with pytest.raises(ServiceError, match="closed"):
        await result


def test_a_client_may_be_made_before_there_is_an_event_loop_and_serves_one(fake: FakeService) -> None:
    client = AsyncClient(fake.address)

    async def ask() -> JobState:
        return await client.job("j").state()

    assert asyncio.run(ask()) is JobState.RUNNING
    with pytest.raises(ServiceError, match="event loop"):
        asyncio.run(ask())


async def test_a_token_and_the_contract_are_sent(fake: FakeService, client: Client) -> None:
    client.job("j").refresh()
    async with AsyncClient(fake.address, token="secret") as waiting:
        await waiting.job("j").refresh()
    plain, with_token = fake.metadata
    assert with_token["authorization"] == "Bearer secret"
    assert plain.items() <= with_token.items() | {"user-agent": plain["user-agent"]}.items()


DATA = bytes(range(256)) * 100


@pytest.fixture
def file(fake: FakeService) -> files_pb2.File:
    described = files_pb2.File(name="jobs/j/files/a%20b.npy")
    described.digest.sha256 = sha256(DATA).hexdigest()
    fake.handlers["ListFiles"] = lambda *_: files_pb2.ListFilesResponse(files=[described])
    return described


@pytest.mark.usefixtures("file")
async def test_a_download_is_resumed_where_it_broke(fake: FakeService, waiting: AsyncClient, tmp_path: Path) -> None:
    def breaking(request: Any, context: grpc.ServicerContext) -> Iterator[files_pb2.ReadFileResponse]:
        yield files_pb2.ReadFileResponse(data=DATA[request.offset :][:10_000])
        if request.offset + 10_000 < len(DATA):
            context.abort(grpc.StatusCode.UNAVAILABLE, "broken")

    fake.handlers["ReadFile"] = breaking
    saved = await waiting.job("j").save_file("a b.npy", tmp_path / "f")
    assert saved.read_bytes() == DATA == await waiting.job("j").read_file("a b.npy")


@pytest.mark.usefixtures("file")
async def test_a_download_that_is_given_up_leaves_nothing(
    fake: FakeService, waiting: AsyncClient, tmp_path: Path
) -> None:
    begun: list[bool] = []

    def endless(_: Any, context: grpc.ServicerContext) -> Iterator[files_pb2.ReadFileResponse]:
        while context.is_active():
            yield files_pb2.ReadFileResponse(data=DATA)
            begun.append(True)

    fake.handlers["ReadFile"] = endless
    task = asyncio.create_task(waiting.job("j").save_file("a b.npy", tmp_path / "f"))
    await eventually(begun)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert not names_in(tmp_path)


async def test_an_export_that_broke_off_leaves_nothing(fake: FakeService, waiting: AsyncClient, tmp_path: Path) -> None:
    pieces = [images_pb2.ExportImagesResponse(path=path, data=b"1") for path in ("a/0.png", "a/1.png", "index.json")]
    fake.handlers["ExportImages"] = lambda *_: iter(pieces[:2])
    with pytest.raises(errors.DataLoss, match=r"index\.json"):
        await waiting.visualizations.export("j", tmp_path / "out")
    assert not names_in(tmp_path)
    fake.handlers["ExportImages"] = lambda *_: iter(pieces)
    folder = await waiting.visualizations.export("j", tmp_path / "out")
    assert names_in(folder) == ["0.png", "1.png", "a", "index.json"]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


async def test_a_missing_file(fake: FakeService, waiting: AsyncClient) -> None:
    fake.handlers["ListFiles"] = lambda *_: files_pb2.ListFilesResponse()
    with pytest.raises(NotFound):
        await waiting.job("j").read_file("b")
