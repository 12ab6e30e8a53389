"""The script tells what happened, and fails if a rule was violated."""

import signal
from collections.abc import Iterator

import pytest

from chaos import __main__ as script
from chaos.faults import Fault
from chaos.history import Asked, JobHistory, Loss
from chaos.run import Outcome, Plan
from convscope.v1.jobs_pb2 import Job, JobState


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The script takes SIGTERM for itself."""
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


def outcome(plan: Plan, violations: list[str]) -> Outcome:
    job = Job(name="jobs/j", state=JobState.JOB_STATE_SUCCEEDED)
    asked = Asked(request_id="r", recipe="short", kind="train")
    return Outcome(
        plan=plan,
        faults=[Fault("kill redis", "redis", 1.0, 0.0), Fault("stop executor", "process 1", 1.0, 0.0)],
        blows=[],
        losses=[Loss(since=1.0, until=3.5)],
        deleted={"jobs": 2, "models": 1},
        histories=[JobHistory(asked=asked, job=job, log=[], watched=[])],
        resumed_watches=3,
        checks=17,
        violations=violations,
    )


@pytest.mark.parametrize(("violations", "code"), [([], 0), (["jobs/j finished 2 times"], 1)])
def test_violations_are_reported_and_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], violations: list[str], code: int
) -> None:
    plans: list[Plan] = []

    def run(plan: Plan, tell: object, *, keep: bool) -> Outcome:
        plans.append(plan)
        return outcome(plan, violations)

    monkeypatch.setattr(script, "run", run)
    assert script.main(["--minutes", "2", "--seed", "5"]) == code
    assert (plans[0].seed, plans[0].seconds) == (5, 120)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 faults of 2 kinds: 1 kill redis, 1 stop executor"
    assert lines[1] == "Redis lost its last writes 1 times, 2.5 s in all"
    assert lines[2] == "2 jobs and 1 models were deleted"
    assert lines[3] == "1 jobs: 1 train succeeded"
    assert f"17 checks, {len(violations)} violations" in lines
    assert lines[-1] == "seed 5"
    assert [line for line in lines if "VIOLATION" in line] == [f"  VIOLATION {violation}" for violation in violations]
