"""The client's settings: arguments first, then environment variables, then defaults; secrets are kept."""

from pathlib import Path

import pytest

from convscope.client import Client, Config, InvalidValue


def test_defaults() -> None:
    config = Config.from_environment(environ={})
    assert config == Config(address="localhost:50051", token=None, root_certificates=None, timeout=30, patience=60)


def test_the_environment_is_used_and_arguments_win() -> None:
    environ = {"CONVSCOPE_ADDRESS": "far:1", "CONVSCOPE_TOKEN": "secret", "CONVSCOPE_TLS_CA": "/ca.pem"}
    config = Config.from_environment(environ=environ)
    assert (config.address, config.token, config.root_certificates) == ("far:1", "secret", Path("/ca.pem"))
    config = Config.from_environment(address="unix:/s", token="", root_certificates="", environ=environ)
    assert (config.address, config.token, config.root_certificates) == ("unix:/s", None, None)


def test_empty_variables_mean_nothing() -> None:
    environ = {"CONVSCOPE_ADDRESS": "", "CONVSCOPE_TOKEN": "", "CONVSCOPE_TLS_CA": ""}
    assert Config.from_environment(environ=environ) == Config()


def test_the_token_is_not_shown() -> None:
    assert "secret" not in repr(Config(token="secret"))


@pytest.mark.parametrize("address", ["unix:/tmp/s", "localhost:1", "127.0.0.1:1", "[::1]:1"])
def test_a_token_may_stay_on_this_machine_in_clear(address: str) -> None:
    assert Config(address=address, token="t").is_local


@pytest.mark.parametrize("address", ["example.org:1", "10.0.0.1:1", "localhost.example.org:1"])
def test_a_token_does_not_travel_in_clear(address: str) -> None:
    with pytest.raises(InvalidValue, match="CONVSCOPE_TLS_CA"):
        Config(address=address, token="t")
    assert not Config(address=address, token="t", root_certificates=Path("ca.pem")).is_local


@pytest.mark.parametrize("times", [{"timeout": 0}, {"timeout": float("nan")}, {"patience": -1}])
def test_times_are_positive(times: dict[str, float]) -> None:
    with pytest.raises(InvalidValue, match="seconds"):
        Config(**times)  # type: ignore[arg-type]


def test_certificates_that_are_not_there_are_named() -> None:
    with pytest.raises(InvalidValue, match=r"root_certificates: /no/such/ca\.pem"):
        Client("example.org:1", root_certificates="/no/such/ca.pem")
