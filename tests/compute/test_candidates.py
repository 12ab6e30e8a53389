"""Parts of one feature: the last attempt chooses among the candidates, whatever dies on the way."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import redis

from convscope.engine.visualization import best_of_runs
from convscope.planning import Segment, VisualizationPlan
from convscope.service.validation.presets import preset_render
from convscope.store import Attempt, BlobStore, Collector, JobStore, mark_holder_lost, read_candidates, read_log
from convscope.store.errors import BlobError
from convscope.store.jobs.images import ready_images
from convscope.store.jobs.records import text
from convscope.store.redis.keys import key
from convscope.store.redis.scripts import Scripts
from convscope.v1.jobs_pb2 import Job, JobEvent, JobSpec
from convscope.v1.render_pb2 import Preset
from convscope.v1.visualize_pb2 import (
    FeatureList,
    Image,
    LayerSelection,
    OptimizedImage,
    VisualizeSpec,
)
from convscope.worker.executor import convert, visualize
from convscope.worker.executor.candidates import Candidates
from convscope.worker.executor.context import AttemptContext, StopRequest
from convscope.worker.executor.lease import LeaseKeeper
from convscope.worker.executor.visualize import VisualizeRunner
from support.part_jobs import claim, ready_model

# The objectives of a feature's restarts, and where they are cut: the best one is in the second run.
OBJECTIVES = np.array([1, 3, float("nan"), 2, 5, 5, 4, 0.1], np.float32)
RUNS = [range(3), range(3, 6), range(6, 8)]
BEST = 4


class System:
    """A job that has each run of restarts of one feature in a separate part."""

    def __init__(self, connection: redis.Redis, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.redis = connection
        self.blobs = BlobStore(folder.as_uri())
        selection = LayerSelection(name="conv1", list=FeatureList(indices=[3]))
        render, _ = preset_render(Preset.PRESET_TUTORIAL)
        spec = VisualizeSpec(model=ready_model(connection), selections=[selection], restarts=8, render=render)
        parts = tuple((Segment(0, 0, 1, run.start, len(run)),) for run in RUNS)
        monkeypatch.setattr(visualize, "plan_visualization", lambda *_: VisualizationPlan(rows=(3,), parts=parts))
        self.job: Job
        self.job, _ = JobStore(connection).create(
            JobSpec(visualize=spec), request_digest="d", needs=spec.model, parts=3
        )
        self.job_id = self.job.name.removeprefix("jobs/")

    def reporter(self, part: int) -> AttemptContext:
        """Return the context of an executor that has just claimed a part."""
        attempt = claim(self.redis, self.job, part, f"w{part}", blobs=self.blobs)
        return AttemptContext(self.redis, attempt, self.blobs, LeaseKeeper(attempt, Scripts(self.redis)), StopRequest())

    def add(self, reporter: AttemptContext) -> Candidates:
        """Store what a part has computed."""
        run = RUNS[reporter.attempt.part]
        candidates = Candidates(reporter, len(OBJECTIVES))
        candidates.add(0, run, of_restarts(run), kept=1)
        return candidates

    def lose(self, attempt: Attempt) -> None:
        mark_holder_lost(self.redis, f"w{attempt.part}", "cpu", "SIGKILL")

    def resumed(self) -> list[int]:
        """Return from how many images each attempt resumed, in the order in which they started."""
        events = [JobEvent.FromString(entry.event) for entry in read_log(self.redis, self.job_id, 0, 100).entries]
        return [event.attempt_started.image_count for event in events if event.HasField("attempt_started")]

    def image(self) -> Image | None:
        for _, digest in ready_images(self.redis, self.job_id, [0]):
            return Image.FromString(self.blobs.get(digest))
        return None


def of_restarts(restarts: range, name: str = "named") -> Image:
    """Return the images of a part that computes these restarts."""
    objectives = OBJECTIVES[restarts.start : restarts.stop]
    best = restarts.start + int(np.nanargmax(objectives))
    return Image(
        restart=best,
        best=OptimizedImage(objective=float(OBJECTIVES[best])),
        spread=convert.spread(best_of_runs([objectives])[1]),
        cache_key=name,
    )


WHOLE = of_restarts(range(8))


@pytest.fixture
def system(connection: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    return System(connection, tmp_path, monkeypatch)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_last_one_chooses_what_one_part_would_have(system: System, order: tuple[int, ...]) -> None:
    reporters = [system.reporter(part) for part in range(3)]
    assert WHOLE.restart == BEST
    for part in order[:-1]:
        assert system.add(reporters[part]).best(0) is None
    best = system.add(reporters[order[-1]]).best(0)
    assert best == WHOLE
    assert best.SerializeToString(deterministic=True) == WHOLE.SerializeToString(deterministic=True)


def test_an_executor_that_dies_before_it_chooses_costs_no_computation(system: System) -> None:
    first, second, third = (system.reporter(part) for part in range(3))
    for reporter in (third, first):
        system.add(reporter)
        reporter.attempt.finish()
    system.add(second)
    system.lose(second.attempt)
    assert system.image() is None
    VisualizeRunner()(system.reporter(1))  # there is no file of the model that could be loaded
    assert system.resumed() == [0, 0, 0, 1]
    assert system.image() == WHOLE
    job = JobStore(system.redis).get(system.job.name)
    assert (job.HasField("end_time"), job.ended_part_count) == (True, 3)
    assert read_candidates(system.redis, system.job_id, 0) == []


@pytest.mark.parametrize("cut", range(3))
def test_the_best_of_runs_has_no_name_where_one_of_them_has_none(system: System, cut: int) -> None:
    reporters = [system.reporter(part) for part in range(3)]
    candidates = Candidates(reporters[0], len(OBJECTIVES))
    for number, (reporter, run) in enumerate(zip(reporters, RUNS, strict=True)):
        Candidates(reporter, len(OBJECTIVES)).add(0, run, of_restarts(run, "" if number == cut else "named"), kept=1)
    assert candidates.best(0) == of_restarts(range(8), "")


def test_a_part_of_a_feature_that_is_ready_does_nothing(system: System) -> None:
    first, second, third = (system.reporter(part) for part in range(3))
    for reporter in (first, second):
        system.add(reporter)
    system.add(third)
    system.lose(third.attempt)
    VisualizeRunner()(system.reporter(2))
    image = system.image()
    assert image
    system.lose(second.attempt)
    VisualizeRunner()(system.reporter(1))
    VisualizeRunner()(first)
    assert system.image() == image
    assert JobStore(system.redis).get(system.job.name).ended_part_count == 3
    needed = set(map(text, system.redis.smembers(key("job_blobs", system.job_id))))
    assert {system.blobs.put(image.SerializeToString(deterministic=True))} < needed
    assert len(needed) == 2  # and the result


def test_two_that_choose_at_the_same_time_agree(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = (system.reporter(part) for part in range(3))
    for reporter in (first, second):
        system.add(reporter)
    slow = system.add(third)
    read = slow._read(0)  # it has seen that they are complete, and then it takes its time
    monkeypatch.setattr(slow, "_read", lambda number: read)
    same = slow.best(0)
    system.lose(second.attempt)
    VisualizeRunner()(system.reporter(1))
    assert same == WHOLE
    Collector(system.redis, system.blobs).tick(patience_ms=0)
    assert slow.best(0) is None  # the other one has the image, and the candidates are gone


def test_a_candidate_that_is_lost_is_a_fault_of_the_storage(system: System) -> None:
    reporters = [system.reporter(part) for part in range(3)]
    for reporter in reporters:
        candidates = system.add(reporter)
    system.blobs.delete([read_candidates(system.redis, system.job_id, 0)[1].blob])
    with pytest.raises(BlobError, match="missing") as caught:
        candidates.best(0)
    assert type(caught.value) is BlobError
