"""A watch resumes where it broke: every event once, in order, or an error."""

import time
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given, settings
from hypothesis import strategies as st

from convscope.client import Client, FailureReason, JobCancelled, JobFailed, errors, events
from convscope.v1 import evaluate_pb2, jobs_pb2, train_pb2, visualize_pb2
from convscope.v1.feature_pb2 import Feature
from convscope.worker.executor.tensors import tensor
from support.fake_service import FakeService, endless_watch, event, finished, job, running_fake
from support.stored_images import sent

BREAKS = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


def log_of(length: int) -> list[jobs_pb2.JobEvent]:
    return [*(event(sequence) for sequence in range(1, length)), finished(length)]


@given(pieces=st.lists(st.integers(0, 3), max_size=5), code=st.sampled_from([*BREAKS, None]))
@settings(max_examples=15, deadline=None)
def test_every_event_comes_once_however_often_the_connection_breaks(
    pieces: list[int], code: grpc.StatusCode | None
) -> None:
    log, left = log_of(sum(pieces) + 2), list(pieces)

    def watch(request: Any, context: grpc.ServicerContext) -> Iterator[jobs_pb2.JobEvent]:
        following = log[request.after_sequence :]
        if not left:
            yield from following
            return
        yield from following[: left.pop()]
        if code:
            context.abort(code, "broken")

    with running_fake() as fake, Client(fake.address) as client:
        fake.handlers["WatchJob"] = watch
        assert [event.sequence for event in client.job("j").watch()] == [message.sequence for message in log]


def test_a_watch_is_resumed_with_the_token_of_the_last_event(fake: FakeService, client: Client) -> None:
    log = log_of(4)
    for message in log:
        message.log_token = f"token {message.sequence}"

    def watch(request: Any, context: grpc.ServicerContext) -> Iterator[jobs_pb2.JobEvent]:
        if request.after_sequence:
            context.abort(grpc.StatusCode.DATA_LOSS, "another log")
        yield from log[:2]
        yield jobs_pb2.JobEvent(sequence=2, bookmark=jobs_pb2.Bookmark())

    fake.handlers["WatchJob"] = watch
    following = client.job("j").watch()
    assert [next(following).sequence for _ in range(2)] == [1, 2]
    with pytest.raises(errors.DataLoss, match="another log"):
        next(following)
    assert [(request.after_sequence, request.after_token) for request in fake.requests] == [(0, ""), (2, "token 2")]


def test_a_watch_of_another_program_is_resumed_with_its_token(fake: FakeService, client: Client) -> None:
    fake.handlers["WatchJob"] = lambda request, _: iter(log_of(4)[request.after_sequence :])
    second = events.event_from_wire(jobs_pb2.JobEvent(sequence=2, log_token="t", queued=jobs_pb2.JobQueued()))
    following = list(client.job("j").watch(second.sequence, after_token=second.log_token))
    assert [event.sequence for event in following] == [3, 4]
    assert [(request.after_sequence, request.after_token) for request in fake.requests] == [(2, "t")]
    with pytest.raises(errors.InvalidType, match="after_token: 3"):
        client.job("j").watch(2, after_token=3)  # type: ignore[arg-type]


def test_a_server_that_repeats_itself_is_not_believed(fake: FakeService, client: Client) -> None:
    fake.handlers["WatchJob"] = lambda *_: iter([event(1), event(2), event(1), event(2), finished(3)])
    assert [event.sequence for event in client.job("j").watch()] == [1, 2, 3]


def test_a_gap_is_an_error(fake: FakeService, client: Client) -> None:
    fake.handlers["WatchJob"] = lambda *_: iter([event(1), event(3)])
    watch = client.job("j").watch()
    assert next(watch).sequence == 1
    with pytest.raises(errors.DataLoss, match=r"event 3.* event 1"):
        next(watch)


def test_a_watch_can_begin_anywhere(fake: FakeService, client: Client) -> None:
    fake.handlers["WatchJob"] = lambda request, _: iter(log_of(5)[request.after_sequence :])
    assert [event.sequence for event in client.job("j").watch(3)] == [4, 5]


def test_patience_ends(fake: FakeService) -> None:
    fake.handlers["WatchJob"] = lambda _, context: context.abort(grpc.StatusCode.UNAVAILABLE, "Redis is away")
    with Client(fake.address, patience=0.5) as client:
        handle, started = client.job("j"), time.monotonic()
        with pytest.raises(errors.Unavailable, match="Redis is away"):
            list(handle.watch())
        assert time.monotonic() - started < 3
        assert len(fake.requests) > 2


def test_other_refusals_end_a_watch_at_once(fake: FakeService, client: Client) -> None:
    fake.handlers["WatchJob"] = lambda _, context: context.abort(grpc.StatusCode.DATA_LOSS, "lost")
    with pytest.raises(errors.DataLoss, match="lost"):
        list(client.job("j").watch())
    assert len(fake.requests) == 1


def test_every_kind_of_event_is_typed(fake: FakeService, client: Client) -> None:
    progress = train_pb2.TrainProgress(step=1, last_step=2, loss=2.3)
    log = [
        event(1, waiting=jobs_pb2.JobWaiting(resource="models/m")),
        event(2),
        event(3, attempt_started=jobs_pb2.AttemptStarted(attempt=2, worker="workers/w", step=7)),
        event(4, train_progress=progress),
        event(5, evaluate_progress=evaluate_pb2.EvaluateProgress(completed_count=3, total_count=4)),
        event(6, cancel_requested=jobs_pb2.CancelRequested()),
        jobs_pb2.JobEvent(sequence=7),  # of a kind that this client does not know
        event(8, attempt_lost=jobs_pb2.AttemptLost(part=0, attempt=1, cause="SIGKILL")),
        event(9, checkpoint_unreadable=jobs_pb2.CheckpointUnreadable(step=1000, cause="damaged")),
        jobs_pb2.JobEvent(sequence=9, bookmark=jobs_pb2.Bookmark()),  # not part of the log
        finished(10, "FAILED", failure=jobs_pb2.Failure(reason=jobs_pb2.Failure.REASON_DATASET, message="no files")),
    ]
    fake.handlers["WatchJob"] = lambda *_: iter(log)
    seen = list(client.job("j").watch())
    assert [type(happened).__name__ for happened in seen] == [
        "Waiting",
        "Queued",
        "AttemptStarted",
        "TrainProgress",
        "EvaluateProgress",
        "CancelRequested",
        "Event",
        "AttemptLost",
        "CheckpointUnreadable",
        "Finished",
    ]
    begun, trained, ended = seen[2], seen[3], seen[9]
    assert isinstance(begun, events.AttemptStarted)
    assert (begun.worker, begun.step, begun.image_count) == ("workers/w", 7, None)
    assert isinstance(trained, events.TrainProgress)
    assert (trained.steps_per_second, trained.remaining_seconds) == (None, None)
    assert trained.validation_accuracy is None
    assert isinstance(ended, events.Finished)
    assert ended.failure == events.Failure(reason=FailureReason.DATASET, message="no files")


def test_fields_that_did_not_fit_are_named(fake: FakeService, client: Client) -> None:
    wrong = jobs_pb2.FieldViolation(field="job.spec.train.dataset", description="must be datasets/mnist")
    failure = jobs_pb2.Failure(reason=jobs_pb2.Failure.REASON_INVALID, message="it does not fit", violations=[wrong])
    fake.handlers["WatchJob"] = lambda *_: iter([event(1), finished(2, "FAILED", failure=failure)])
    with pytest.raises(JobFailed) as caught:
        client.job("j").result()
    assert (caught.value.reason, caught.value.fields) == ("invalid", {"dataset": wrong.description})


def test_images_are_in_order_though_the_job_was_planned_late(fake: FakeService, client: Client) -> None:
    described = job("visualize", "WAITING")
    described.spec.CopyFrom(described.effective_spec)
    described.ClearField("effective_spec")
    fake.handlers["CreateJob"] = lambda *_: described
    handle = client.visualize("m")
    planned = job("visualize")
    spec = planned.effective_spec.visualize
    for layer, features in (("b", [1]), ("a", [0, 2])):
        spec.selections.add(name=layer, list={"indices": features})
    fake.handlers["GetJob"] = lambda *_: planned
    log = [
        event(number, image_ready=visualize_pb2.ImageReady(image=sent(spec, place)))
        for number, place in enumerate((2, 0, 1), start=1)
    ]
    done = jobs_pb2.JobResult(visualize=visualize_pb2.VisualizeResult())
    fake.handlers["WatchJob"] = lambda *_: iter([*log, finished(4, result=done)])
    result = handle.result()
    assert [(image.layer, image.feature) for image in result.images] == [("b", 1), ("a", 0), ("a", 2)]


def test_result_says_why_a_job_failed(fake: FakeService, client: Client) -> None:
    failure = jobs_pb2.Failure(reason=jobs_pb2.Failure.REASON_COMPUTATION, message="loss became NaN at step 3")
    fake.handlers["WatchJob"] = lambda *_: iter([event(1), finished(2, "FAILED", failure=failure)])
    with pytest.raises(JobFailed) as caught:
        client.job("j").result()
    assert str(caught.value) == "jobs/j failed (computation): loss became NaN at step 3"
    assert (caught.value.job, caught.value.reason) == ("jobs/j", "computation")
    assert caught.value.message == "loss became NaN at step 3"


def test_result_of_a_job_that_had_ended_needs_no_watch(fake: FakeService, client: Client) -> None:
    fake.handlers["GetJob"] = lambda *_: job(state="CANCELLED")
    with pytest.raises(JobCancelled, match="jobs/j"):
        client.job("j").result()


def test_result_gives_up_after_a_timeout(fake: FakeService, client: Client) -> None:
    def endless(_: Any, context: grpc.ServicerContext) -> Iterator[jobs_pb2.JobEvent]:
        yield event(1)
        while context.is_active():
            time.sleep(0.01)

    fake.handlers["WatchJob"] = endless
    with pytest.raises(errors.DeadlineExceeded, match=r"jobs/j .* 0\.3 s"):
        client.job("j").result(timeout=0.3)


@pytest.mark.parametrize("kind", ["train", "visualize"])
def test_a_server_that_is_away_does_not_outlast_the_timeout(kind: str) -> None:
    with running_fake() as gone:
        gone.handlers["GetJob"] = lambda *_: job(kind)
        client = Client(gone.address, patience=60)
        known, unknown = client.job("j"), client.job("j")
        known.refresh()
    with client:
        for handle in (known, unknown):
            with pytest.raises(errors.DeadlineExceeded, match=r"jobs/j .* 0\.2 s"):
                handle.result(timeout=0.2)


def test_result_calls_back_with_each_event(fake: FakeService, client: Client) -> None:
    fake.handlers["GetJob"] = lambda *_: job("visualize")
    done = jobs_pb2.JobResult(visualize=visualize_pb2.VisualizeResult(image_count=0, duration=Duration(seconds=2)))
    fake.handlers["WatchJob"] = lambda *_: iter([event(1), finished(2, result=done)])
    sequences: list[int] = []
    result = client.job("j").result(progress=lambda happened: sequences.append(happened.sequence))
    assert sequences == [1, 2]
    assert (result.images, result.seconds) == ((), 2.0)


def test_each_image_is_held_once_in_the_order_asked_for(fake: FakeService, client: Client) -> None:
    wanted = {"logits": [7, 2], "conv10": [0], "conv2": [1]}
    described = job("visualize")
    for layer, features in wanted.items():
        described.effective_spec.visualize.selections.add(name=layer, list={"indices": features})
    fake.handlers["GetJob"] = lambda *_: described
    arriving = [("conv2", 1, 1.0), ("logits", 2, 2.0), ("logits", 7, 3.0), ("conv10", 0, 4.0), ("logits", 2, 5.0)]
    log = [event(number, image_ready=image_of(*image)) for number, image in enumerate(arriving, start=1)]
    done = jobs_pb2.JobResult(visualize=visualize_pb2.VisualizeResult(image_count=4, duration=Duration(seconds=1)))
    fake.handlers["WatchJob"] = lambda *_: iter([*log, finished(6, result=done)])
    result = client.job("j").result()
    assert [(image.layer, image.feature, image.final.objective) for image in result.images] == [
        ("logits", 7, 3.0),
        ("logits", 2, 5.0),  # the last one counts
        ("conv10", 0, 4.0),
        ("conv2", 1, 1.0),
    ]
    assert result.layers == tuple(wanted)
    assert result.layer("logits").features.tolist() == [7, 2]


def image_of(layer: str, feature: int, objective: float) -> visualize_pb2.ImageReady:
    shown = visualize_pb2.OptimizedImage(pixels=tensor(np.zeros((1, 1, 1), np.float32)), objective=objective)
    return visualize_pb2.ImageReady(
        image=visualize_pb2.Image(feature=Feature(layer=layer, index=feature), final=shown, best=shown)
    )


def test_abandoning_a_watch_ends_the_call(fake: FakeService, client: Client) -> None:
    ended: list[bool] = []

    fake.handlers["WatchJob"] = endless_watch(ended)
    watch = client.job("j").watch()
    next(watch)
    del watch
    deadline = time.monotonic() + 5
    while not ended and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ended
