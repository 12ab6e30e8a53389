"""Resource names and settings."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convscope.store import StoreSettings
from convscope.store.names import new_id, parse_name


def test_ids_are_unique_and_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([1_000_000_000_000, 1_000_000_001_000, 33_000_000_000_000 * 10**6])
    monkeypatch.setattr("time.time_ns", lambda: next(times))
    ids = [new_id() for _ in range(3)]
    assert ids == sorted(ids)
    assert {len(identifier) for identifier in ids} == {16}
    monkeypatch.undo()
    assert len({new_id() for _ in range(1000)}) == 1000


def test_a_new_id_is_a_valid_name() -> None:
    identifier = new_id()
    assert parse_name("jobs", f"jobs/{identifier}") == identifier


@given(st.text(max_size=40))
def test_other_names_are_refused(name: str) -> None:
    try:
        identifier = parse_name("jobs", name)
    except ValueError as error:
        assert "jobs/ID" in str(error)  # noqa: PT017 - hypothesis also makes valid names
    else:
        assert name == f"jobs/{identifier}"
        assert identifier.isascii()


@pytest.mark.parametrize("name", ["", "jobs", "jobs/", "models/a", "jobs/a/b", "jobs/A", "jobs/../x", "jobs/a\n"])
def test_malformed_names(name: str) -> None:
    with pytest.raises(ValueError, match="jobs/ID"):
        parse_name("jobs", name)


def test_settings_come_from_the_environment(tmp_path: Path) -> None:
    settings = StoreSettings.from_environment({"CONVSCOPE_HOME": str(tmp_path)})
    assert settings.redis_url == "redis://127.0.0.1:6379/0"
    assert settings.artifacts_url == f"file://{tmp_path}/artifacts"


@pytest.mark.parametrize(
    ("variable", "value"),
    [("CONVSCOPE_REDIS_URL", "http://x"), ("CONVSCOPE_REDIS_URL", "redis"), ("CONVSCOPE_ARTIFACTS_URL", "/tmp/x")],
)
def test_other_schemes_are_refused(variable: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"{variable} is '{value}'"):
        StoreSettings.from_environment({variable: value})
