"""The frame of the benchmarks: which figures there are, how they are judged and shown."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import running
from benchmarks.__main__ import main
from benchmarks.figures import Family, Figure
from benchmarks.quiet import machine_seconds, own_seconds
from benchmarks.registry import FAMILIES, QUICK, figures
from benchmarks.report import Outcome, as_json, show
from benchmarks.rounds import Round, Session

ROOT = Path(__file__).resolve().parents[2]
AT_LEAST = Figure(name="speed", what="how fast", target=2, unit="x", noise=0.1)
AT_MOST = Figure(name="wait", what="how long", target=1, unit="s", noise=0.2, bound="at most")


def test_quick_measures_at_least_twenty_figures() -> None:
    assert len(set(QUICK)) == len(QUICK) >= 20
    assert set(QUICK) <= set(figures())


def test_every_figure_states_its_noise() -> None:
    assert all(0 < figure.noise < 1 for figure in figures().values())


def test_the_last_line_is_one_object_of_all_figures_asked_for() -> None:
    command = [sys.executable, "-m", "benchmarks", "client-import", "accuracy-float32", "--quick", "--json"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    figures = json.loads(answer.stdout.splitlines()[-1])
    assert list(figures) == ["accuracy-float32", "client-import"]
    assert all(set(figure) == {"value", "spread", "noise", "target", "unit", "met"} for figure in figures.values())
    assert figures["client-import"]["value"] > 0
    assert figures["accuracy-float32"]["value"] is None  # takes too long for --quick


def test_names_are_unique() -> None:
    assert len(figures()) == sum(len(family.figures) for family in FAMILIES)


def test_unknown_name_is_an_error_that_lists_the_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train-float32", "speed"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("no figure speed; ")
    assert all(name in message for name in figures())


@pytest.mark.parametrize(
    ("figure", "value", "met"), [(AT_LEAST, 2, True), (AT_LEAST, 1.9, False), (AT_MOST, 1, True), (AT_MOST, 1.1, False)]
)
def test_target(figure: Figure, value: float, met: bool) -> None:
    assert figure.met(value) is met


@pytest.mark.parametrize(("value", "other", "agree"), [(10, 9, True), (9, 10, True), (10, 8.9, False), (-1, 1, False)])
def test_values_agree_that_differ_by_noise_alone(value: float, other: float, agree: bool) -> None:
    assert AT_LEAST.agrees(value, other) is agree


def test_json_has_value_spread_noise_target_unit_and_met() -> None:
    outcomes = [Outcome(figure=AT_LEAST, values=(1.0, 3.0), value=2.0), Outcome(figure=AT_MOST, note="failed")]
    assert json.loads(as_json(outcomes)) == {
        "speed": {"value": 2.0, "spread": [1.0, 3.0], "noise": 0.1, "target": 2, "unit": "x", "met": True},
        "wait": {"value": None, "spread": None, "noise": 0.2, "target": 1, "unit": "s", "met": None},
    }


def test_table_says_value_spread_noise_target_and_what_is_met() -> None:
    text = io.StringIO()
    outcomes = [
        Outcome(figure=AT_LEAST, values=(2.4, 2.5, 2.7), value=2.5),
        Outcome(figure=AT_MOST, values=(1.5,), value=1.5),
    ]
    show(outcomes, Console(file=text, width=200))
    speed, wait = (" ".join(line.split()) for line in text.getvalue().splitlines()[1:])
    assert speed == "speed 2.5 x 2.4 to 2.7 (3) ± 10 % ≥ 2 x met how fast"
    assert wait == "wait 1.5 s - ± 20 % ≤ 1 s not met how long"


def measured(
    monkeypatch: pytest.MonkeyPatch, family: Family, *, quick: bool, in_quick: bool = True
) -> dict[str, Outcome]:
    """Run one family alone."""
    monkeypatch.setattr(running, "FAMILIES", (family,))
    monkeypatch.setattr(running, "figures", lambda: {figure.name: figure for figure in family.figures})
    names = frozenset(figure.name for figure in family.figures)
    monkeypatch.setattr(running, "QUICK", tuple(names) if in_quick else ())
    outcomes = running.Run(names, quick=quick, console=Console(file=io.StringIO())).measure()
    return {outcome.figure.name: outcome for outcome in outcomes}


def test_value_is_the_median_of_the_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([9.0, 1.0, 3.0, 2.0, 8.0])
    family = Family(figures=(AT_LEAST,), measure=lambda _round, _names: iter([("speed", next(values))]), rounds=5)
    assert measured(monkeypatch, family, quick=False)["speed"].value == 3.0


def test_value_is_the_median_of_all_values_of_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(_round: Round, _names: frozenset[str]) -> Iterator[tuple[str, float]]:
        yield from (("speed", value) for value in (9.0, 1.0, 3.0))

    outcome = measured(monkeypatch, Family(figures=(AT_LEAST,), measure=measure), quick=True)["speed"]
    assert (outcome.value, outcome.values) == (3.0, (9.0, 1.0, 3.0))


def test_quick_is_one_round_with_fewer_repetitions(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(round_: Round, _names: frozenset[str]) -> Iterator[tuple[str, float]]:
        yield from (("speed", 1.0) for _ in range(round_.session.times(20)))

    family = Family(figures=(AT_LEAST,), measure=measure, rounds=2)
    assert len(measured(monkeypatch, family, quick=True)["speed"].values) == 10
    assert len(measured(monkeypatch, family, quick=False)["speed"].values) == 40
    assert Session(quick=True).times(4) == 3


def test_a_failure_leaves_what_was_measured_before(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(_round: Round, _names: frozenset[str]) -> Iterator[tuple[str, float]]:
        yield "speed", 4.0
        raise RuntimeError("the power went out")

    outcomes = measured(monkeypatch, Family(figures=(AT_LEAST, AT_MOST), measure=measure), quick=True)
    assert outcomes["speed"].value == 4.0
    assert outcomes["wait"].note == "failed"


def test_a_figure_that_is_forgotten_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    family = Family(figures=(AT_LEAST, AT_MOST), measure=lambda _round, _names: iter([("speed", 4.0)]))
    assert measured(monkeypatch, family, quick=True)["wait"].note == "failed"


def test_quick_leaves_out_what_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    family = Family(figures=(AT_LEAST,), measure=lambda _round, _names: iter([("speed", 1.0)]))
    assert measured(monkeypatch, family, quick=True, in_quick=False)["speed"].note == "not with --quick"


@pytest.mark.parametrize(("share", "warned"), [(0.0, False), (0.04, False), (0.3, True)])
def test_a_disturbed_run_says_so(share: float, warned: bool) -> None:
    text = io.StringIO()
    show([Outcome(figure=AT_LEAST, value=2.5)], Console(file=text, width=200), foreign_share=share)
    assert ("Other work used 30% of the processors" in text.getvalue()) is warned


SPIN = "import time; end = time.process_time() + 1\nwhile time.process_time() < end: pass"


def test_own_work_is_not_foreign_but_running_work_of_others_is() -> None:
    before = own_seconds()
    subprocess.run([sys.executable, "-c", SPIN], check=True)
    assert own_seconds() - before >= 1
    before, machine = own_seconds(), machine_seconds()
    command = [sys.executable, "-c", SPIN + "\nprint(flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert machine_seconds() - machine >= 0.9  # it has worked, and has not been waited for
        assert own_seconds() - before < 0.5
        other.communicate(b"\n")
