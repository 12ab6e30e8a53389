"""What a server says is shown to the letter, also where it looks like the markup of a terminal."""

import io

import pytest
from rich.console import Console

from convscope.client import Client, events
from convscope.client.cli.app import app
from convscope.client.cli.output import table
from convscope.client.progress import ProgressBar
from convscope.v1 import jobs_pb2
from support.fake_service import FakeService, event, job

MARKUP = "shape [batch, 28] at [/job:localhost/task:0] is [bold]wrong[/bold]"


def test_messages_are_shown_whole(fake: FakeService, capsys: pytest.CaptureFixture[str]) -> None:
    reason = jobs_pb2.Failure.REASON_COMPUTATION
    failed = job("visualize", "FAILED", failure=jobs_pb2.Failure(reason=reason, message=f"{MARKUP}: {'x' * 300}"))
    failed.effective_spec.visualize.model = "models/m"
    for layer, features in {"conv1": [0, 1, 2, 7], "logits": [9]}.items():
        failed.effective_spec.visualize.selections.add(name=layer).list.indices.extend(features)
    fake.handlers["GetJob"] = lambda *_: failed
    with pytest.raises(SystemExit):
        app(["--address", fake.address, "jobs", "show", "j"], prog_name="convscope")
    output = capsys.readouterr().out
    assert MARKUP in output
    assert output.count("x") >= 300
    assert "conv1:0-2,7 logits:9" in output
    assert output.count(" model ") == 1


def test_cells_and_headings_are_shown_whole() -> None:
    rows = table(MARKUP, ">[dim]")
    rows.add_row("[a]", "[/]")
    out = io.StringIO()
    Console(file=out, width=200).print(rows)
    assert all(text in out.getvalue() for text in (MARKUP, "[dim]", "[a]", "[/]"))


def test_a_bar_shows_causes_whole(fake: FakeService, client: Client) -> None:
    fake.handlers["GetJob"] = lambda *_: job()
    out = io.StringIO()
    console = Console(file=out, width=200, force_terminal=True, color_system=None)
    lost = event(2, attempt_lost=jobs_pb2.AttemptLost(attempt=1, cause=MARKUP))
    with ProgressBar(client.job("j").info, console=console) as bar:
        bar(events.event_from_wire(lost))
    assert MARKUP in out.getvalue()
