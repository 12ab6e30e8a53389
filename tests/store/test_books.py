"""Whatever happens, in any order: records of what can be claimed, what runs and what is kept stay in agreement."""

import itertools
import secrets
from collections import Counter
from typing import Any, cast

import redis
from google.protobuf.duration_pb2 import Duration
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from convscope.store import (
    Attempt,
    Candidate,
    Checkpoint,
    Claimant,
    JobStore,
    LatePlans,
    ModelStore,
    Reconciler,
    ResultWanted,
    Scripts,
    check_layout,
    mark_holder_lost,
    settle_waiters,
)
from convscope.store.embedded import EmbeddedRedis
from convscope.store.errors import ModelFailedError, NotFoundError, StaleAttemptError, StateError
from convscope.store.jobs.attachments import Attachments, ExamplesBlob, StoredFile, read_examples, read_files
from convscope.store.jobs.attempts import LEASE_MS
from convscope.store.jobs.deadlines import fail_outrun
from convscope.store.redis.keys import KEYS, key
from convscope.v1.device_pb2 import Device
from convscope.v1.digest_pb2 import Digest
from convscope.v1.jobs_pb2 import Failure, Job, JobEvent, JobSpec, Priority
from convscope.v1.models_pb2 import Model
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.visualize_pb2 import VisualizeSpec
from support.part_jobs import image

OPEN = {"waiting", "queued", "running"}
PRIORITIES = [Priority.PRIORITY_HIGH, Priority.PRIORITY_NORMAL, Priority.PRIORITY_LOW]
DEVICES = [Device.DEVICE_ANY, Device.DEVICE_CPU, Device.DEVICE_GPU]

# Few, so that jobs share them, and one job has the same for several reasons.
BLOBS = st.sampled_from(["a", "b"])


class Snapshot:
    """Everything that Redis holds."""

    def __init__(self, connection: redis.Redis) -> None:
        names = sorted(cast("list[bytes]", connection.keys("*")))
        with connection.pipeline() as pipeline:
            for name in names:
                pipeline.type(name)
            types = pipeline.execute()
            for name, kind in zip(names, types, strict=True):
                self._read(pipeline, name, kind)
            values = pipeline.execute()
        self._values = {name.decode(): value for name, value in zip(names, map(_text, values), strict=True)}

    @staticmethod
    def _read(pipeline: Any, name: bytes, kind: bytes) -> None:
        if kind == b"zset":
            pipeline.zrange(name, 0, -1, withscores=True)
        elif kind == b"list":
            pipeline.lrange(name, 0, -1)
        else:
            {b"hash": pipeline.hgetall, b"set": pipeline.smembers, b"stream": pipeline.xrange, b"string": pipeline.get}[
                kind
            ](name)

    def of(self, name: str, *ids: str, default: Any = ()) -> Any:
        return self._values.get(key(name, *ids), default)

    def names(self, name: str) -> set[tuple[str, ...]]:
        """Return the ids of every key of this name."""
        start, *rest = KEYS[name].split("%s")
        middles = (key.removeprefix(start) for key in self._values if key.startswith(start))
        if rest[-1]:
            return {(middle.removesuffix(rest[-1]),) for middle in middles if middle.endswith(rest[-1])}
        return {tuple(middle.split(":")) for middle in middles if middle.count(":") == len(rest) - 1}

    def jobs(self) -> dict[str, dict[str, str]]:
        return {job: self.of("job", job) for job, _ in self.of("jobs")}

    def trash(self) -> list[set[str]]:
        return [self._values[entry.removeprefix("blobs ")] for entry in self.of("trash")]


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, dict):
        return {_text(name): _text(content) for name, content in value.items()}
    if isinstance(value, (list, tuple, set)):
        return type(value)(map(_text, value))
    return value


def claimable(snapshot: Snapshot, job: str, record: dict[str, str]) -> int:
    """Return how many parts of a job can be claimed."""
    if record["state"] not in {"queued", "running"} or "cancel" in record:
        return 0
    return int(record["parts"]) - int(record["next"]) + len(snapshot.of("returned", job))


def blobs_of_job(snapshot: Snapshot, job: str, record: dict[str, str]) -> set[str]:
    """Return the blobs that a job's record, log, images and candidates refer to."""
    blobs = {fields["blob"] for _, fields in snapshot.of("events", job)} | {record.get("result", "")}
    blobs |= {blob.digest for blob in read_examples(record.get("examples", ""))}
    blobs |= {file.digest for file in read_files(record.get("files", "[]"))}
    blobs |= set(snapshot.of("images", job, default={}).values())
    for noted in snapshot.of("candidates", job, default={}).values():
        blobs |= {note.split(":")[2] for note in noted.split()}
    if record["state"] in OPEN:
        blobs |= {record.get(name, "") for name in ("model_file", "model_history")}
        blobs |= {record.get(name, "").rpartition(":")[2] for name in ("checkpoint", "checkpoint_before")}
    return blobs - {""}


class Books(RuleBasedStateMachine):
    """Jobs of several owners, priorities and devices, and executors that compute them, lose them and die."""

    connection: redis.Redis

    @initialize()
    def begin(self) -> None:
        self.connection.flushall()
        check_layout(self.connection)
        self.jobs = JobStore(self.connection)
        self.reconciler = Reconciler(self.connection, period_s=0)
        self.reconciler.tick()
        self.attempts: list[tuple[str, Attempt]] = []
        self.computed: Counter[tuple[str, int]] = Counter()
        self.numbers = itertools.count()
        self.begin_with_open_jobs()

    def begin_with_open_jobs(self) -> None:
        """Create a model in training, jobs that work on it, and one that waits for another model; start some of it."""
        training, _ = self.jobs.create(JobSpec(train=TrainSpec()), request_digest="d", model=Model())
        self.claim("cpu", wait=False, warm=False, again=False)
        self._end(*self.attempts.pop(), "finish", "a")
        for priority in PRIORITIES[:2]:
            spec = JobSpec(visualize=VisualizeSpec(model=training.model))
            self.jobs.create(spec, request_digest="d", needs=training.model, parts=3, priority=priority)
        parent, _ = self.jobs.create(JobSpec(train=TrainSpec()), request_digest="d", model=Model())
        spec = JobSpec(train=TrainSpec(continue_from=parent.model))
        self.jobs.create(spec, request_digest="d", needs=parent.model, model=Model())
        for _ in range(2):
            self.claim("cpu", wait=False, warm=False, again=False)

    def names(self) -> list[str]:
        return [job.name for job in self.jobs.walk()]

    @rule(
        parts=st.integers(1, 3),
        priority=st.sampled_from(PRIORITIES),
        device=st.sampled_from(DEVICES),
        owner=st.sampled_from(["ann", "bob"]),
        cost=st.sampled_from([0.5, 3.0]),
        timeout=st.booleans(),
        data=st.data(),
    )
    def create(
        self, *, parts: int, priority: Any, device: Any, owner: str, cost: float, timeout: bool, data: st.DataObject
    ) -> None:
        model = data.draw(st.sampled_from(["", *(model.name for model in ModelStore(self.connection).walk())]))
        trains = data.draw(st.booleans())
        planned = not model or data.draw(st.booleans())
        spec = JobSpec(train=TrainSpec(continue_from=model))
        if not trains:
            spec = JobSpec(visualize=VisualizeSpec(model=model))
        try:
            self.jobs.create(
                spec if planned else None,
                sent=Job(spec=spec, timeout=Duration(seconds=60) if timeout else None),
                request_digest="d",
                needs=model,
                model=Model() if trains else None,
                priority=priority,
                device=device,
                parts=1 if trains else parts,
                owner=owner,
                part_cost_s=cost,
            )
        except ModelFailedError:
            assert model

    @rule(device=st.sampled_from(["cpu", "gpu"]), wait=st.booleans(), warm=st.booleans(), again=st.booleans())
    def claim(self, device: str, wait: bool, warm: bool, again: bool) -> None:
        worker = f"w{next(self.numbers)}"
        claimant = Claimant(
            worker=worker,
            device=device,
            wait_ms=10_000 if wait else 0,
            last_job=self.attempts[-1][1].job_id if warm and self.attempts else "",
            loaded=["a"] if warm else [],
        )
        nonce = secrets.token_hex(8)
        claims = [
            Scripts(self.connection).claim(claimant, nonce=nonce, lease_ms=LEASE_MS, slack_s=2.0)
            for _ in range(1 + again)  # the first reply was lost
        ]
        assert len({claim and (claim.job_id, claim.part, claim.number) for claim in claims}) == 1
        if claims[0]:
            assert not self.computed[claims[0].job_id, claims[0].part]
            self.attempts.append((worker, Attempt(self.connection, nonce, claims[0])))

    @precondition(lambda self: self.attempts)
    @rule(data=st.data(), how=st.sampled_from(["event", "image", "candidate", "checkpoint", "cached"]), blob=BLOBS)
    def write(self, data: st.DataObject, how: str, blob: str) -> None:
        _, attempt = data.draw(st.sampled_from(self.attempts))
        number = data.draw(st.integers(0, 1))
        try:
            if how == "event":
                attempt.report(JobEvent(), blob, kept=1)
            elif how == "image":
                attempt.report_images([image(number, blob)], 1)
            elif how == "candidate":
                attempt.report_candidate(Candidate(number=number, first=number, restarts=2, blob=blob), 1)
            elif how == "checkpoint" and attempt.makes:
                attempt.save_checkpoint(Checkpoint(number, blob))
            else:
                attempt.reuse_cached([image(number)])
        except StaleAttemptError:
            self.is_over(attempt)

    @precondition(lambda self: self.attempts)
    @rule(
        data=st.data(),
        how=st.sampled_from(["finish", "finish", "release", "dies", "falls silent", "fail", "stop"]),
        blob=BLOBS,
    )
    def end(self, data: st.DataObject, how: str, blob: str) -> None:
        worker, attempt = self.attempts.pop(data.draw(st.integers(0, len(self.attempts) - 1)))
        try:
            self._end(worker, attempt, how, blob)
        except StaleAttemptError:
            self.is_over(attempt)
        if attempt.makes and data.draw(st.booleans()):  # else the reconciler does it
            settle_waiters(self.connection, attempt.makes)

    def _end(self, worker: str, attempt: Attempt, how: str, blob: str) -> None:
        if how == "finish":
            try:
                attempt.finish()
            except ResultWanted:
                attempt.succeed(
                    blob,
                    Model(digest=Digest(sha256=blob)) if attempt.makes else None,
                    "history" if attempt.makes else "",
                    Attachments(examples=[ExamplesBlob(0, blob)], files=[StoredFile("f", "text/plain", "file", 1)]),
                )
            self.computed[attempt.job_id, attempt.part] += 1
        elif how == "release":
            attempt.release()
        elif how == "dies":
            mark_holder_lost(self.connection, worker, "cpu", "SIGKILL")
        elif how == "falls silent":
            self.connection.zadd(KEYS["leases"], {f"{attempt.job_id}|{attempt.part}": 1}, xx=True)
        elif how == "fail":
            attempt.fail(Failure(message="x"))
        elif attempt.renew():
            attempt.cancelled()
        else:
            self.attempts.append((worker, attempt))

    @rule()
    def look(self) -> None:
        self.reconciler.tick()

    @rule(again=st.booleans(), fits=st.booleans(), parts=st.integers(1, 3))
    def plan(self, *, again: bool, fits: bool, parts: int) -> None:
        late = LatePlans(self.connection)
        for waiting in late.waiting():
            for call in range(1 + again):  # a second service plans as well
                if fits:
                    count = 1 if waiting.job.spec.HasField("train") else parts
                    done = late.plan(waiting.job, waiting.job.spec, parts=count, part_seconds=1.0)
                else:
                    done = late.fail(waiting.job, Failure(message="x"))
                assert done == (call == 0)

    @precondition(lambda self: self.connection.zcard(KEYS["deadlines"]))
    @rule(data=st.data())
    def time_out(self, data: st.DataObject) -> None:
        due: Any = self.connection.zrange(KEYS["deadlines"], 0, -1)
        job = data.draw(st.sampled_from(due))
        self.connection.zadd(KEYS["deadlines"], {job: 1})
        assert fail_outrun(self.connection) == [f"jobs/{job.decode()}"]

    def is_over(self, attempt: Attempt) -> None:
        try:
            held = self.connection.hget(key("parts", attempt.job_id), f"nonce:{attempt.part}")
            assert held != attempt.nonce.encode()
        except NotFoundError:
            pass

    @precondition(lambda self: self.names())
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.jobs.request_cancel(data.draw(st.sampled_from(self.names())))

    @precondition(lambda self: self.names())
    @rule(data=st.data(), is_ended=st.booleans())
    def delete(self, data: st.DataObject, is_ended: bool) -> None:
        jobs = [job for job in self.jobs.walk() if job.HasField("end_time") == is_ended]
        if not jobs:
            return
        name, ended = data.draw(st.sampled_from([(job.name, job.HasField("end_time")) for job in jobs]))
        try:
            self.jobs.delete(name)
            assert ended
        except StateError:
            assert not ended

    @rule(data=st.data())
    def delete_model(self, data: st.DataObject) -> None:
        models = [model.name for model in ModelStore(self.connection).walk()]
        if models:
            name = data.draw(st.sampled_from(models))
            state = self.connection.hget(key("model", name.removeprefix("models/")), "state")
            try:
                ModelStore(self.connection).delete(name)
                assert state != b"pending"
            except StateError:
                assert state == b"pending"

    @rule()
    def take_apart(self) -> None:
        Scripts(self.connection).run("take_apart", 2)

    @invariant()
    def books_balance(self) -> None:
        if hasattr(self, "jobs"):
            snapshot = Snapshot(self.connection)
            self.ready_set_holds_what_is_to_be_had(snapshot)
            self.leases_are_of_what_runs(snapshot)
            self.deadlines_are_of_what_has_begun(snapshot)
            self.what_is_not_planned_waits(snapshot)
            self.indexes_agree(snapshot)
            self.references_are_counted(snapshot)

    def ready_set_holds_what_is_to_be_had(self, snapshot: Snapshot) -> None:
        ready, backlog = set[tuple[str, ...]](), Counter[str]()
        for job, record in snapshot.jobs().items():
            if count := claimable(snapshot, job, record):
                ready.add((record["priority"], record["device"], record["owner"], job))
                backlog[f"parts:{record['priority']}:{record['device']}"] += count
        listed = snapshot.names("ready_jobs")
        assert {(*ids, job) for ids in listed for job, _ in snapshot.of("ready_jobs", *ids)} == ready
        owners = {
            (*ids, owner) for ids in snapshot.names("ready_owners") for owner, _ in snapshot.of("ready_owners", *ids)
        }
        assert owners == {ids[:3] for ids in ready}
        stored = snapshot.of("backlog", default={})
        assert {name: int(count) for name, count in stored.items() if name.startswith("parts:")} == dict(backlog)
        assert {name.removeprefix("seconds") for name in stored if name.startswith("seconds")} == {
            name.removeprefix("parts") for name in backlog
        }

    def leases_are_of_what_runs(self, snapshot: Snapshot) -> None:
        held, open_jobs = (
            Counter[str](),
            {job for job, record in snapshot.jobs().items() if record["state"] == "running"},
        )
        for lease, _ in snapshot.of("leases"):
            job, _, part = lease.partition("|")
            assert f"nonce:{part}" in snapshot.of("parts", job)
            held[job] += 1
        for job in open_jobs:
            record = snapshot.of("job", job)
            assert held[job] == int(record["running"])
            assert held[job] == sum(name.startswith("nonce:") for name in snapshot.of("parts", job, default={}))
        assert set(held) <= open_jobs
        for job, record in snapshot.jobs().items():
            assert record["state"] in {"queued", "running"} or not snapshot.of("parts", job)
            done = sum(count for (of, _), count in self.computed.items() if of == job)
            assert int(record["done"]) == done
            assert record["state"] != "succeeded" or done == int(record["parts"])
        assert set(self.computed.values()) <= {1}

    def deadlines_are_of_what_has_begun(self, snapshot: Snapshot) -> None:
        begun = {job for job, record in snapshot.jobs().items() if {"timeout", "started"} <= record.keys()}
        active = {job for job, record in snapshot.jobs().items() if record["state"] in OPEN}
        assert {job for job, _ in snapshot.of("deadlines")} == begun & active

    def what_is_not_planned_waits(self, snapshot: Snapshot) -> None:
        waiting = {job for job, record in snapshot.jobs().items() if record["state"] == "waiting"}
        unplanned = {job for job, record in snapshot.jobs().items() if "spec" not in record}
        assert {job for job in unplanned if snapshot.jobs()[job]["state"] in OPEN} <= waiting
        assert snapshot.of("unplanned", default=set()) <= unplanned & waiting

    def indexes_agree(self, snapshot: Snapshot) -> None:
        jobs = snapshot.jobs()
        for job, _ in snapshot.of("ended"):
            assert jobs[job]["state"] not in OPEN
        by_state = {
            (ids[0], job) for ids in snapshot.names("jobs_in_state") for job, _ in snapshot.of("jobs_in_state", *ids)
        }
        assert by_state == {(record["state"], job) for job, record in jobs.items()}
        by_kind = {
            (*ids, job) for ids in snapshot.names("jobs_of_kind") for job, _ in snapshot.of("jobs_of_kind", *ids)
        }
        assert by_kind == {(record["kind"], record["state"], job) for job, record in jobs.items()}
        assert len(snapshot.of("ended")) == sum(record["state"] not in OPEN for record in jobs.values())
        for model, _ in snapshot.of("models"):
            if snapshot.of("model", model)["state"] == "pending":
                assert jobs[model]["state"] in OPEN  # a training's model has its id

    def references_are_counted(self, snapshot: Snapshot) -> None:
        owners = snapshot.trash()
        for job, record in snapshot.jobs().items():
            owners.append(set(snapshot.of("job_blobs", job)))
            assert owners[-1] == blobs_of_job(snapshot, job, record)
        for model, _ in snapshot.of("models"):
            record = snapshot.of("model", model)
            owners.append(set(snapshot.of("model_blobs", model)))
            assert owners[-1] == {record.get("file", ""), record.get("history", "")} - {""}
        counts = Counter(digest for blobs in owners for digest in blobs)
        assert {name: int(count) for name, count in snapshot.of("references", default={}).items()} == dict(counts)
        once_referred = {digest for digest, _ in snapshot.of("unreferenced")}
        assert {"a", "b", "history", "file"} >= once_referred


def test_whatever_happens_the_books_balance(redis_server: EmbeddedRedis) -> None:
    with redis.Redis.from_url(redis_server.url) as connection:
        Books.connection = connection
        machine = Books.TestCase
        machine.settings = settings(
            max_examples=20, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        )
        machine().runTest()
        connection.flushall()
