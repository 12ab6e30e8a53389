"""What a failed job says of an unforeseen error."""

import pytest

from convscope.store.errors import TooNewError
from convscope.v1.jobs_pb2 import Failure
from convscope.worker.executor.process import _failure


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("shapes differ\nTraceback of graph node\n...", "shapes differ"),
        ("Exception encountered when calling Functional.call().\n\n  bad name\n\nArguments received", "bad name"),
        ("", "no reason"),
    ],
)
def test_the_line_that_says_why(text: str, reason: str) -> None:
    failure = _failure(ValueError(text))
    assert failure.reason == Failure.REASON_COMPUTATION
    assert failure.message == f"ValueError: {reason}; the worker's log has the details"


def test_a_worker_that_is_too_old_says_what_to_do() -> None:
    message = _failure(TooNewError("plans of version 9")).message
    assert "older than the service" in message
    assert "does not know plans of version 9: update the worker" in message
