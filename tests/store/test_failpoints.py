"""Failpoints do nothing unless they are set; what is set is done as often, and with the probability, that it says."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from convscope.store import StoreSettings, failpoints
from convscope.store.errors import BlobError
from convscope.store.failpoints import POINTS, VARIABLE, FailpointError, Term, active, failpoint, parse, value

ROOT = Path(__file__).resolve().parents[2]
POINT = "claim.after"

PLAIN = st.text(
    st.characters(exclude_characters="()=;->", exclude_categories=("Cs", "Zs", "Cc", "Zl", "Zp")), min_size=1
)


def arguments(action: str) -> st.SearchStrategy[str]:
    match action:
        case "sleep":
            return st.integers(0, 10**8).map(str)
        case "error":
            return st.sampled_from(["", "redis", "timeout", "blob", "os", "memory"])
        case "exit":
            return st.integers(0, 255).map(str) | st.just("")
        case "hang":
            return st.sampled_from(["", "gil"])
        case "return":
            return PLAIN | st.just("")
    return st.just("")


TERMS = st.sampled_from(failpoints.ACTIONS).flatmap(
    lambda action: st.builds(
        Term,
        action=st.just(action),
        argument=arguments(action),
        chance=st.integers(0, 100_00).map(lambda hundredths: hundredths / 100),
        count=st.none() | st.integers(0, 1000),
    )
)
SETTINGS = st.dictionaries(st.sampled_from(list(POINTS)), st.lists(TERMS, min_size=1, max_size=4))


@given(SETTINGS)
def test_what_is_written_is_read(settings: dict[str, list[Term]]) -> None:
    text = ";".join(f"{name}={'->'.join(map(str, terms))}" for name, terms in settings.items())
    assert parse(text) == settings


@given(st.text(alphabet="clockaim.after=;->%*()0123456789 slepofhang"))
def test_anything_else_is_refused_by_the_name_of_the_variable(text: str) -> None:
    try:
        parse(text)
    except ValueError as error:
        assert VARIABLE in str(error)  # noqa: PT017 - most texts are refused, not all


@pytest.mark.parametrize(
    "text",
    [
        "claim.after",
        "claim.after=",
        "nowhere=off",
        "claim.after=off;claim.after=off",
        "claim.after=sleep",
        "claim.after=sleep(soon)",
        "claim.after=sleep(-1)",
        "claim.after=sleep(1)(2)",
        "claim.after=error(unknown)",
        "claim.after=exit(256)",
        "claim.after=kill(9)",
        "claim.after=hang(all)",
        "claim.after=101%off",
        "claim.after=-1*off",
        "claim.after=1*",
        "claim.after=2*3%off",
        "claim.after=panic",
        "claim.after=off->",
    ],
)
def test_settings_refuse_it_at_start(text: str) -> None:
    with pytest.raises(ValueError, match=VARIABLE):
        StoreSettings.from_environment({VARIABLE: text})
    with pytest.raises(ValueError, match=VARIABLE), active(text):
        pytest.fail("it is active")


def raised(times: int, rng: random.Random | None = None, *, text: str) -> list[bool]:
    outcomes = []
    with active(text, rng):
        for _ in range(times):
            try:
                failpoint(POINT)
                outcomes.append(False)
            except FailpointError:
                outcomes.append(True)
    return outcomes


def test_terms_are_used_up_one_after_the_other() -> None:
    assert raised(6, text=f"{POINT}=1*off->2*error->1*off") == [False, True, True, False, False, False]
    assert raised(3, text=f"{POINT}=0*error") == [False] * 3
    assert raised(3, text=f"{POINT}=error") == [True] * 3


def test_chance_is_decided_by_the_seed() -> None:
    outcomes = raised(2000, random.Random(1), text=f"{POINT}=25%error")
    assert 400 < sum(outcomes) < 600
    assert outcomes == raised(2000, random.Random(1), text=f"{POINT}=25%error")
    assert not any(raised(100, text=f"{POINT}=0%error"))
    assert sum(raised(500, text=f"{POINT}=50%3*error")) == 3


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("redis", redis.ConnectionError),
        ("timeout", redis.TimeoutError),
        ("blob", BlobError),
        ("os", OSError),
        ("memory", MemoryError),
    ],
)
def test_kinds_of_errors(kind: str, error: type[Exception]) -> None:
    with active(f"{POINT}=error({kind})"), pytest.raises(error, match=POINT):
        failpoint(POINT)


def test_it_sleeps() -> None:
    started = time.monotonic()
    with active(f"{POINT}=sleep(50)"):
        failpoint(POINT)
    assert time.monotonic() - started >= 0.05


def test_values() -> None:
    assert value("clock", "0") == "0"
    with active("clock=1*return(-3600)->return(7)"):
        assert [value("clock", "0") for _ in range(3)] == ["-3600", "7", "7"]
        with active("clock=off"):
            assert value("clock", "0") == "0"
    assert value("clock", "0") == "0"


PROGRAM = f"""
import sys, threading
from convscope.store.failpoints import failpoint
def tell():
    print("other thread", flush=True)
ticker = threading.Timer(0.2, tell)
ticker.daemon = True
ticker.start()
print("ready", flush=True)
failpoint({POINT!r})
print("passed", flush=True)
"""


def start(setting: str) -> subprocess.Popen[str]:
    environment = {**os.environ, VARIABLE: f"{POINT}={setting}"}
    return subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(("setting", "code"), [("exit", 1), ("exit(7)", 7), ("kill", -signal.SIGKILL), ("off", 0)])
def test_the_environment_ends_a_process(setting: str, code: int) -> None:
    with start(setting) as process:
        assert process.wait(30) == code


@pytest.mark.parametrize(("setting", "others_run"), [("hang", True), ("hang(gil)", False), ("stop", False)])
def test_a_process_stays(setting: str, others_run: bool) -> None:
    with start(setting) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        if others_run:
            assert process.stdout.readline() == "other thread\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.kill()
        assert process.stdout.read() == ""


def test_a_point_that_is_off_costs_next_to_nothing() -> None:
    started = time.perf_counter()
    for _ in range(100_000):
        failpoint(POINT)
    assert (time.perf_counter() - started) / 100_000 < 2e-6


def test_every_point_is_in_the_code_and_no_other() -> None:
    sources = [path for root in ("store", "service", "worker") for path in (ROOT / root).rglob("*.py")]
    called = re.compile(r"""(?<![\w.])(?:failpoint|value|_time)\(\s*"([a-z_.]+)\"""")
    used = {name for path in sources for name in called.findall(path.read_text(encoding="utf-8"))}
    assert used == set(POINTS)
