"""The client for asyncio and a real convscope, beside the client for threads: the same figures, images and files."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convscope.client import (
    AlreadyExists,
    AsyncClient,
    AsyncJob,
    Client,
    FailedPrecondition,
    Features,
    Finished,
    JobCancelled,
    JobState,
    NotFound,
    TrainResult,
)
from support.lags import never_held_up
from support.stack import Stack

LAYERS: dict[str, Features] = {"conv1": [0, 1], "logits": 3}
# Trainings awaited at once.
MANY = 50


@pytest.fixture(scope="module")
def plain(stack: Stack) -> Iterator[Client]:
    with Client(stack.address) as client:
        yield client


@pytest.fixture
async def real(stack: Stack) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(stack.address) as client:
        yield client


def assert_same(ours: Any, theirs: Any) -> None:
    """Compares what two clients tell, arrays included."""
    assert type(ours) is type(theirs)
    if isinstance(ours, np.ndarray):
        np.testing.assert_array_equal(ours, theirs)
    elif is_dataclass(ours):
        for field in fields(ours):
            assert_same(getattr(ours, field.name), getattr(theirs, field.name))
    elif isinstance(ours, tuple | list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    else:
        assert ours == theirs


async def test_from_training_to_files(real: AsyncClient, plain: Client, tmp_path: Path) -> None:
    training: AsyncJob[TrainResult] = await real.train(
        convolutions=[4], dense=[8], iterations=30, report_interval=10, labels={"test": "async"}
    )
    evaluation = await real.evaluate(training, max_errors=5)
    visualization = await real.visualize(training, LAYERS, iterations=4, trace=True)
    jobs: tuple[AsyncJob[Any], ...] = (training, evaluation, visualization)
    results = await asyncio.gather(*(job.result(timeout=120) for job in jobs))
    for job, result in zip(jobs, results, strict=True):
        same = plain.job(job.name)
        assert_same(result, same.result())
        assert_same(await job.refresh(), same.info)
        assert (job.kind, job.model, job.spec) == (same.kind, same.model, same.spec)
        assert_same([event async for event in job.watch()], list(same.watch()))
        assert_same([file async for file in job.files()], list(same.files()))
    assert_same(await real.model(training), plain.model(training.model))
    assert_same(await real.history(training), plain.history(training.model))
    assert_same([example async for example in evaluation.examples()], list(plain.job(evaluation.name).examples()))
    assert_same([image async for image in real.images(visualization)], list(plain.images(visualization.name)))
    await compare_images(real, plain, visualization.name, tmp_path)
    matrix = "confusion-matrix.npy"
    assert await evaluation.read_file(matrix) == plain.job(evaluation.name).read_file(matrix)
    saved = await evaluation.save_file(matrix, tmp_path / "matrix.npy")
    np.testing.assert_array_equal(np.load(saved), results[1].confusion_matrix)
    ours = await real.export_model(training, tmp_path / "ours.keras")
    theirs = plain.export_model(training.model, tmp_path / "theirs.keras")
    assert ours.read_bytes() == theirs.read_bytes()


async def compare_images(real: AsyncClient, plain: Client, name: str, folder: Path) -> None:
    images = [image async for image in real.visualizations.list(name, "conv1", [1], format="png")]
    assert_same(images, list(plain.visualizations.list(name, "conv1", [1], format="png")))
    assert_same(await real.visualizations.get(name, "logits", 3), plain.visualizations.get(name, "logits", 3))
    ours = await real.visualizations.export(name, folder / "ours", format="png")
    theirs = plain.visualizations.export(name, folder / "theirs", format="png")
    assert contents(ours) == contents(theirs)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


async def test_what_there_is(real: AsyncClient, plain: Client) -> None:
    assert_same(await real.info(), plain.info())
    assert_same(await real.dataset("mnist"), plain.dataset("mnist"))
    assert_same([dataset async for dataset in real.datasets()], list(plain.datasets()))
    assert [worker.name async for worker in real.workers()] == [worker.name for worker in plain.workers()]
    named = [job.name async for job in real.jobs(labels={"test": "async"})]
    assert named == [job.name for job in plain.jobs(labels={"test": "async"})]
    assert_same([model async for model in real.models(full=True)], list(plain.models(full=True)))


async def test_many_trainings_are_awaited_at_once(real: AsyncClient) -> None:
    jobs = await asyncio.gather(
        *(real.train(convolutions=[], dense=[], iterations=0, seed=seed) for seed in range(MANY))
    )
    async with never_held_up():
        results = await asyncio.gather(*(job.result(timeout=120) for job in jobs))
    assert [result.model for result in results] == [job.model for job in jobs]


async def test_a_job_is_cancelled_and_deleted(real: AsyncClient) -> None:
    job = await real.train(iterations=1_000_000, model_id="async-cancelled")
    with pytest.raises(AlreadyExists):
        await real.train(iterations=0, model_id="async-cancelled")
    waiting = asyncio.create_task(job.result())
    with pytest.raises(FailedPrecondition):
        await job.delete()
    await job.cancel()
    with pytest.raises(JobCancelled):
        await waiting
    assert await job.state() is JobState.CANCELLED
    assert isinstance([event async for event in job.watch()][-1], Finished)
    await job.delete()
    with pytest.raises(NotFound):
        await job.refresh()


async def test_a_job_that_is_only_checked(real: AsyncClient) -> None:
    job = await real.train(iterations=3, validate_only=True)
    assert (job.name, job.info.spec["iterations"]) == ("", "3")
    assert job.info.estimate is not None
