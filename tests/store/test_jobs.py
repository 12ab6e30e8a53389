"""Job records: created once, changed only by the attempt that holds them, listed newest first."""

from typing import Any

import pytest
import redis

from convscope.store import JobStore, ModelStore, settle_waiters
from convscope.store.errors import (
    ModelExistsError,
    ModelFailedError,
    NotFoundError,
    RequestConflictError,
    StaleAttemptError,
    StateError,
)
from convscope.store.jobs import listing
from convscope.store.jobs.dependents import settle_all
from convscope.store.redis.keys import KEYS, key
from convscope.store.redis.scripts import Scripts, Value
from convscope.v1.digest_pb2 import Digest
from convscope.v1.evaluate_pb2 import EvaluateSpec
from convscope.v1.jobs_pb2 import Failure, Job, JobEvent, JobSpec, JobState
from convscope.v1.models_pb2 import Model, ModelState
from convscope.v1.train_pb2 import TrainProgress, TrainSpec
from support.part_jobs import claim, kinds, ready, take

FAILURE = Failure(reason=Failure.REASON_COMPUTATION, message="it broke")


@pytest.fixture
def jobs(connection: redis.Redis) -> JobStore:
    return JobStore(connection)


def train(jobs: JobStore, *, needs: str = "", request_id: str = "", digest: str = "d", model_id: str = "") -> Job:
    spec = JobSpec(train=TrainSpec(dataset="datasets/mnist"))
    if needs:
        spec.train.continue_from = needs
    model = Model(dataset="datasets/mnist")
    job, _ = jobs.create(
        spec, request_digest=digest, request_id=request_id, needs=needs, model=model, model_id=model_id
    )
    return job


def evaluate(jobs: JobStore, model: str) -> Job:
    job, _ = jobs.create(JobSpec(evaluate=EvaluateSpec(model=model)), request_digest="d", needs=model)
    return job


def test_a_new_job_is_queued_and_its_model_pending(connection: redis.Redis, jobs: JobStore) -> None:
    job = train(jobs)
    assert job.state == JobState.JOB_STATE_QUEUED
    assert job.create_time.seconds > 0
    assert kinds(connection, job) == ["queued"]
    model = ModelStore(connection).get(job.model)
    assert model.state == ModelState.MODEL_STATE_PENDING
    assert model.lineage.job == job.name
    assert model.owner == job.owner == "local"


def test_a_model_is_its_jobs_owners(connection: redis.Redis, jobs: JobStore) -> None:
    job, _ = jobs.create(JobSpec(train=TrainSpec()), request_digest="d", model=Model(), owner="ann")
    claim(connection, job).succeed("result", Model(digest=Digest(sha256="file")))
    models = ModelStore(connection)
    model = models.get(job.model)
    assert (model.owner, model.state) == ("ann", ModelState.MODEL_STATE_READY)
    models.delete(job.model)
    assert models.restore(model, since=0)
    assert models.get(job.model) == model


def test_a_model_that_is_deleted_stays_with_the_jobs_that_are_queued_for_it_and_not_with_those_that_wait(
    connection: redis.Redis, jobs: JobStore
) -> None:
    training = train(jobs)
    waits = evaluate(jobs, training.model)
    claim(connection, training).succeed("result", Model(digest=Digest(sha256="file"), dataset="datasets/mnist"))
    queued = evaluate(jobs, training.model)
    ModelStore(connection).delete(training.model)  # before the jobs that wait for it are told
    settle_all(connection)
    ended = jobs.get(waits.name)
    assert (ended.state, ended.failure.reason) == (JobState.JOB_STATE_FAILED, Failure.REASON_MODEL)
    attempt = claim(connection, queued)
    assert (attempt.model_file, attempt.model.dataset) == ("file", "datasets/mnist")
    with pytest.raises(NotFoundError):
        evaluate(jobs, training.model)


def test_a_request_id_makes_one_job(jobs: JobStore) -> None:
    first = train(jobs, request_id="r")
    assert train(jobs, request_id="r").name == first.name
    assert len(list(jobs.walk())) == 1
    with pytest.raises(RequestConflictError, match="'r' was used for"):
        train(jobs, request_id="r", digest="other")


def test_attempt_numbers_fence_writes(connection: redis.Redis, jobs: JobStore) -> None:
    job = train(jobs)
    first = claim(connection, job)
    first.release()
    second = claim(connection, job)
    assert (first.number, second.number) == (1, 2)
    before = jobs.get(job.name)
    with pytest.raises(StaleAttemptError):
        first.report(JobEvent(train_progress=TrainProgress(step=1)))
    with pytest.raises(StaleAttemptError):
        first.fail(FAILURE)
    assert jobs.get(job.name) == before
    second.report(JobEvent(train_progress=TrainProgress(step=1)))
    assert kinds(connection, job) == [
        "queued",
        "attempt_started",
        "queued",
        "attempt_started",
        "train_progress",
    ]


def test_a_part_that_runs_is_not_claimed_again(connection: redis.Redis, jobs: JobStore) -> None:
    job = train(jobs)
    attempt = claim(connection, job)
    assert take(connection) is None
    assert not attempt.renew()


def test_success_ends_job_and_model_together(connection: redis.Redis, jobs: JobStore) -> None:
    job = train(jobs)
    claim(connection, job).succeed("", Model(dataset="datasets/mnist", step=7), history="abc")
    ended = jobs.get(job.name)
    assert ended.state == JobState.JOB_STATE_SUCCEEDED
    assert ended.end_time.ToNanoseconds() >= ended.start_time.ToNanoseconds()
    model = ModelStore(connection).ready(job.model)
    assert model.step == 7
    assert ModelStore(connection).history_digest(job.model) == "abc"


def test_nothing_is_written_after_the_end(connection: redis.Redis, jobs: JobStore) -> None:
    job = train(jobs)
    attempt = claim(connection, job)
    attempt.fail(FAILURE)
    with pytest.raises(StaleAttemptError):
        attempt.report(JobEvent())
    assert jobs.get(job.name).failure == FAILURE
    assert kinds(connection, job)[-1] == "finished"
    assert take(connection) is None


def test_a_queued_job_is_cancelled_at_once(connection: redis.Redis, jobs: JobStore) -> None:
    job = train(jobs)
    assert jobs.request_cancel(job.name).state == JobState.JOB_STATE_CANCELLED
    assert kinds(connection, job) == ["queued", "cancel_requested", "finished"]
    assert ModelStore(connection).get(job.model).state == ModelState.MODEL_STATE_FAILED


def test_a_running_job_is_asked_once_to_stop(connection: redis.Redis, jobs: JobStore) -> None:
    job = train(jobs)
    attempt = claim(connection, job)
    assert not attempt.renew()
    for _ in range(2):
        cancelled = jobs.request_cancel(job.name)
        assert cancelled.state == JobState.JOB_STATE_RUNNING
        assert cancelled.cancel_requested
    assert attempt.renew()
    attempt.cancelled()
    assert jobs.get(job.name).state == JobState.JOB_STATE_CANCELLED
    assert kinds(connection, job) == ["queued", "attempt_started", "cancel_requested", "finished"]


def test_a_part_of_a_job_that_is_asked_to_stop_is_not_given_back(connection: redis.Redis, jobs: JobStore) -> None:
    job = train(jobs)
    attempt = claim(connection, job)
    jobs.request_cancel(job.name)
    assert attempt.release().ended
    assert jobs.get(job.name).state == JobState.JOB_STATE_CANCELLED
    assert kinds(connection, job) == ["queued", "attempt_started", "cancel_requested", "finished"]


def test_request_ids_belong_to_an_owner(connection: redis.Redis, jobs: JobStore) -> None:
    spec = JobSpec(train=TrainSpec())
    created = {
        owner: jobs.create(spec, request_digest="d", request_id="same", owner=owner)[0] for owner in ("ann", "bob")
    }
    assert created["ann"].name != created["bob"].name
    assert {owner: job.owner for owner, job in created.items()} == {"ann": "ann", "bob": "bob"}
    jobs.request_cancel(created["ann"].name)
    jobs.delete(created["ann"].name)
    assert jobs.of_request("same", "d", "ann") is None
    assert jobs.of_request("same", "d", "bob") == jobs.get(created["bob"].name)


def test_cancelling_an_ended_job_changes_nothing(connection: redis.Redis, jobs: JobStore) -> None:
    job = train(jobs)
    claim(connection, job).succeed("", Model())
    before = jobs.get(job.name)
    assert jobs.request_cancel(job.name) == before


def test_waiters_are_queued_when_their_model_is_ready(connection: redis.Redis, jobs: JobStore) -> None:
    training = train(jobs)
    waiter = evaluate(jobs, training.model)
    assert waiter.state == JobState.JOB_STATE_WAITING
    attempt = claim(connection, training)
    settle_waiters(connection, attempt.makes)
    assert jobs.get(waiter.name).state == JobState.JOB_STATE_WAITING
    attempt.succeed("", Model())
    for _ in range(2):  # repeated, as after a crash
        settle_waiters(connection, attempt.makes)
    assert jobs.get(waiter.name).state == JobState.JOB_STATE_QUEUED
    assert kinds(connection, waiter) == ["waiting", "queued"]
    assert ready(connection) == 1
    claim(connection, waiter)


def test_a_training_that_ends_while_its_waiters_are_settled_is_not_forgotten(
    connection: redis.Redis, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = train(jobs)
    waiter = evaluate(jobs, training.model)
    attempt = claim(connection, training)
    attempt.release()
    run = Scripts.run

    def interrupted(scripts: Scripts, name: str, *arguments: Value) -> object:
        reply = run(scripts, name, *arguments)
        if name == "settle":
            monkeypatch.undo()
            jobs.request_cancel(training.name)
        return reply

    monkeypatch.setattr(Scripts, "run", interrupted)
    settle_waiters(connection, attempt.makes)  # by the executor, which gave its part back
    settle_all(connection)  # by the reconciler
    assert jobs.get(waiter.name).state == JobState.JOB_STATE_FAILED
    assert connection.scard(KEYS["unsettled"]) == 0


def test_waiters_fail_along_a_chain_of_models(connection: redis.Redis, jobs: JobStore) -> None:
    first = train(jobs)
    second = train(jobs, needs=first.model)
    waiter = evaluate(jobs, second.model)
    jobs.request_cancel(first.name)
    settle_waiters(connection, first.model.removeprefix("models/"))
    for job, culprit in ((second, first), (waiter, second)):
        failed = jobs.get(job.name)
        assert failed.state == JobState.JOB_STATE_FAILED
        assert culprit.model in failed.failure.message
        assert kinds(connection, job) == ["waiting", "finished"]
    assert ready(connection) == 0


def test_a_model_has_the_id_that_was_chosen(connection: redis.Redis, jobs: JobStore) -> None:
    models = ModelStore(connection)
    training = train(jobs, model_id="mine")
    assert training.model == "models/mine"
    assert models.get("models/mine").lineage.job == training.name
    second = train(jobs, needs="models/mine", model_id="next")
    waiter = evaluate(jobs, "models/next")
    claim(connection, training).succeed("", Model(digest=Digest(sha256="file")), "history")
    settle_waiters(connection, "mine")
    assert models.get("models/mine").state == ModelState.MODEL_STATE_READY
    assert connection.smembers(key("model_blobs", "mine")) == {b"file", b"history"}
    claim(connection, second).fail(FAILURE)
    settle_waiters(connection, "next")
    assert models.get("models/next").state == ModelState.MODEL_STATE_FAILED
    message = jobs.get(waiter.name).failure.message
    assert "models/next" in message
    assert second.name in message


def test_waiters_fail_along_a_chain_of_models_with_chosen_ids(connection: redis.Redis, jobs: JobStore) -> None:
    first = train(jobs, model_id="a")
    train(jobs, needs="models/a", model_id="b")
    waiter = evaluate(jobs, "models/b")
    jobs.request_cancel(first.name)
    settle_all(connection)
    assert jobs.get(waiter.name).state == JobState.JOB_STATE_FAILED
    assert connection.exists(KEYS["unsettled"], key("waiters", "a"), key("waiters", "b")) == 0


def test_an_id_is_taken_until_its_model_is_deleted_and_no_job_waits_for_it(
    connection: redis.Redis, jobs: JobStore
) -> None:
    models = ModelStore(connection)
    first = train(jobs, model_id="mine", request_id="r")
    waiter = evaluate(jobs, "models/mine")
    with pytest.raises(ModelExistsError, match="models/mine"):
        train(jobs, model_id="mine")
    assert train(jobs, model_id="mine", request_id="r") == first
    jobs.request_cancel(first.name)
    with pytest.raises(ModelExistsError):  # it is there as one that failed
        train(jobs, model_id="mine")
    models.delete("models/mine")
    with pytest.raises(ModelExistsError):  # the job that waits would get another model than it named
        train(jobs, model_id="mine")
    settle_all(connection)
    assert jobs.get(waiter.name).state == JobState.JOB_STATE_FAILED
    assert train(jobs, model_id="mine").model == "models/mine"
    assert len(list(jobs.walk())) == 3


def test_models_are_listed_by_time_whatever_their_ids(
    connection: redis.Redis, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "BATCH", 3)
    names = [train(jobs, model_id=model_id).model for model_id in ("m", "z", "a", "b", "y", "c", "x")]
    for place, name in enumerate(names):  # five are created at the same time
        created = 1_000 + max(0, place - 4)
        connection.hset(key("model", name.removeprefix("models/")), "created", created)
        connection.zadd(KEYS["models"], {name.removeprefix("models/"): created})
    models = ModelStore(connection)
    expected = ["x", "c", "z", "y", "m", "b", "a"]
    for newest_first, order in ((True, expected), (False, expected[::-1])):
        listed = list(models.walk(newest_first=newest_first))
        assert [model.name.removeprefix("models/") for model in listed] == order
        for place, model in enumerate(listed):
            after = model.create_time.ToMilliseconds(), model.name.removeprefix("models/")
            rest = models.walk(after=after, newest_first=newest_first)
            assert [model.name.removeprefix("models/") for model in rest] == order[place + 1 :]


def test_models_that_cannot_be_used_are_refused(jobs: JobStore) -> None:
    with pytest.raises(NotFoundError, match="models/none"):
        evaluate(jobs, "models/none")
    training = train(jobs)
    jobs.request_cancel(training.name)
    with pytest.raises(ModelFailedError, match=training.model):
        evaluate(jobs, training.model)
    assert len(list(jobs.walk())) == 1


def test_listing_is_newest_first_and_resumes(jobs: JobStore) -> None:
    created = [train(jobs).name for _ in range(5)]
    assert [job.name for job in jobs.walk()] == created[::-1]
    assert [job.name for job in jobs.walk(after=created[2].removeprefix("jobs/"))] == created[1::-1]
    assert [job.name for job in jobs.walk(newest_first=False)] == created
    assert [job.name for job in jobs.walk(after=created[2].removeprefix("jobs/"), newest_first=False)] == created[3:]
    jobs.request_cancel(created[3])
    assert [job.name for job in jobs.walk(states=[JobState.JOB_STATE_CANCELLED])] == [created[3]]
    assert [job.name for job in jobs.walk(kinds=["train", "evaluate"])] == created[::-1]
    queued = jobs.walk(kinds=["train"], states=[JobState.JOB_STATE_QUEUED, JobState.JOB_STATE_RUNNING])
    assert [job.name for job in queued] == [*created[4:], *created[2::-1]]
    states = [JobState.JOB_STATE_QUEUED, JobState.JOB_STATE_CANCELLED]
    assert [job.name for job in jobs.walk(states=states, newest_first=False)] == created


def test_listings_are_of_one_owner(connection: redis.Redis, jobs: JobStore) -> None:
    def labelled(owner: str, run: str) -> str:
        sent = Job(spec=JobSpec(train=TrainSpec()), labels={"run": run, "by": owner})
        return jobs.create(sent.spec, request_digest="d", sent=sent, owner=owner)[0].name

    first, second, third = labelled("ann", "1"), labelled("bob", "1"), labelled("bob", "2")
    for owner, created in (("ann", [first]), ("bob", [third, second]), ("local", [])):
        assert [job.name for job in jobs.walk(owner=owner)] == created
        queued = jobs.walk(owner=owner, kinds=["train"], states=[JobState.JOB_STATE_QUEUED])
        assert [job.name for job in queued] == created
    assert [job.name for job in jobs.walk(owner="ann", labels={"run": "1"})] == [first]
    assert [job.name for job in jobs.walk(owner="bob", labels={"run": "1"})] == [second]
    assert list(jobs.walk(owner="ann", labels={"by": "bob"})) == []
    assert connection.zrange(key("jobs_labelled", "ann", "run", "1"), 0, -1) == [first.removeprefix("jobs/").encode()]
    jobs.request_cancel(first)
    jobs.delete(first)
    assert not connection.exists(key("jobs_labelled", "ann", "run", "1"))
    assert [job.name for job in jobs.walk(owner="bob", labels={"run": "1"})] == [second]


def test_only_ended_jobs_are_deleted(connection: redis.Redis, jobs: JobStore) -> None:
    job = train(jobs, request_id="r")
    with pytest.raises(StateError, match="is queued"):
        jobs.delete(job.name)
    jobs.request_cancel(job.name)
    jobs.delete(job.name)
    with pytest.raises(NotFoundError):
        jobs.get(job.name)
    with pytest.raises(NotFoundError):
        jobs.delete(job.name)
    model_key = job.model.removeprefix("models/")
    keys: Any = connection.keys("convscope:*")
    left = {key.decode() for key in keys if model_key in key.decode()}
    assert left == {f"convscope:{{model:{model_key}}}"}
    assert train(jobs, request_id="r").name != job.name


def test_a_pending_model_is_not_deleted(connection: redis.Redis, jobs: JobStore) -> None:
    job = train(jobs)
    models = ModelStore(connection)
    with pytest.raises(StateError, match="PENDING"):
        models.delete(job.model)
    jobs.request_cancel(job.name)
    models.delete(job.model)
    with pytest.raises(NotFoundError):
        models.get(job.model)
    assert list(models.walk()) == []


def test_a_waiter_that_is_deleted_strands_no_other(connection: redis.Redis, jobs: JobStore) -> None:
    training = train(jobs)
    waiters = [evaluate(jobs, training.model) for _ in range(3)]
    jobs.request_cancel(waiters[0].name)
    jobs.delete(waiters[0].name)
    attempt = claim(connection, training)
    attempt.succeed("", Model())
    settle_waiters(connection, attempt.makes)
    assert [jobs.get(waiter.name).state for waiter in waiters[1:]] == [JobState.JOB_STATE_QUEUED] * 2


def test_a_request_is_known_when_its_model_is_gone(connection: redis.Redis, jobs: JobStore) -> None:
    training = train(jobs, request_id="r")
    jobs.request_cancel(training.name)
    ModelStore(connection).delete(training.model)
    assert jobs.of_request("r", "d") == jobs.get(training.name)
    assert jobs.of_request("", "d") is None
    assert jobs.of_request("other", "d") is None
    with pytest.raises(RequestConflictError):
        jobs.of_request("r", "other")
