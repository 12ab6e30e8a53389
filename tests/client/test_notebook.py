"""The progress bar in a notebook: shown once, then replaced where it stands, without ipywidgets."""

import builtins
import sys
from types import ModuleType
from typing import Any

import pytest

from convscope.client import Client, JobFailed
from convscope.v1 import evaluate_pb2
from support.fake_service import FakeService, event, finished, job


class ZMQInteractiveShell:
    """What IPython's shell is called in a notebook's kernel; rich knows notebooks by it."""


class Output:
    """What a notebook shows below a cell: texts by the id of their display, in order, each with all its versions."""

    def __init__(self) -> None:
        self.shown: list[list[str]] = []

    def display(self, shown: Any, *, display_id: bool = False) -> "Handle | None":
        """Show something, as ``IPython.display.display`` does."""
        self.shown.append([_text(shown)])
        return Handle(self.shown[-1]) if display_id else None


class Handle:
    """Replaces one display, as IPython's handle does."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts

    def update(self, shown: Any) -> None:
        self._texts.append(_text(shown))


def _text(shown: Any) -> str:
    """Return what IPython would send: it asks for every form at once."""
    bundle: dict[str, str] = shown._repr_mimebundle_(include=None, exclude=None)
    assert bundle["text/html"].startswith("<pre")
    return bundle["text/plain"]


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> Output:
    cell = Output()
    package, module = ModuleType("IPython"), ModuleType("IPython.display")
    vars(module)["display"] = cell.display
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr(builtins, "get_ipython", ZMQInteractiveShell, raising=False)
    monkeypatch.setattr("convscope.client.notebook._INTERVAL", 0.0)  # every event is shown
    return cell


def evaluating(completed: int) -> evaluate_pb2.EvaluateProgress:
    return evaluate_pb2.EvaluateProgress(completed_count=completed, total_count=400)


def test_the_bar_is_replaced_with_every_event(output: Output, fake: FakeService, client: Client) -> None:
    log = [event(1), *(event(number, evaluate_progress=evaluating(100 * number)) for number in (2, 3))]
    fake.handlers["GetJob"] = lambda *_: job("evaluate")
    fake.handlers["WatchJob"] = lambda *_: iter([*log, finished(4, "FAILED")])
    with pytest.raises(JobFailed):
        client.job("j").result(progress=True)
    assert len(output.shown) == 1, "one bar, however much happened"
    bar = output.shown[0]
    wanted = ["evaluating", "evaluating: queued", "200/400 images", "300/400 images", "evaluating failed"]
    assert len(bar) == len(wanted) + 1  # the end is shown whatever was shown just before
    assert all(text in shown for text, shown in zip(wanted, bar, strict=False))


def test_what_is_shown_just_after_is_left_out_but_not_the_end(
    output: Output, fake: FakeService, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convscope.client.notebook._INTERVAL", 3600.0)
    log = [event(number, evaluate_progress=evaluating(number)) for number in range(1, 400)]
    fake.handlers["GetJob"] = lambda *_: job("evaluate")
    fake.handlers["WatchJob"] = lambda *_: iter([*log, finished(400, "FAILED")])
    with pytest.raises(JobFailed):
        client.job("j").result(progress=True)
    ((_, first, last),) = output.shown
    assert "1/400 images" in first
    assert "failed" in last
    assert "399/400 images" in last
