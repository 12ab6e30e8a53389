"""Addresses as people write them: understood as they were meant, or refused in a sentence."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convscope.client import Client, Config, InvalidType, InvalidValue
from convscope.client.addresses import parse_address
from support.fake_service import FakeService, running_fake


@pytest.mark.parametrize(
    ("written", "target", "encrypted", "local"),
    [
        ("localhost:50051", "localhost:50051", None, True),
        (" localhost:50051 ", "localhost:50051", None, True),
        ("LOCALHOST:50051", "localhost:50051", None, True),
        (":50052", "localhost:50052", None, True),
        ("50052", "localhost:50052", None, True),
        ("http://localhost:50051", "localhost:50051", False, True),
        ("HTTP://localhost:50051/", "localhost:50051", False, True),
        ("grpc://127.0.0.2:1", "127.0.0.2:1", False, True),
        ("https://Example.org:443", "example.org:443", True, False),
        ("grpcs://example.org:1", "example.org:1", True, False),
        ("dns:///example.org:1", "example.org:1", None, False),
        ("ipv4:10.0.0.1:1", "10.0.0.1:1", None, False),
        ("[::1]:1", "[::1]:1", None, True),
        ("[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]:1", None, True),
        ("[2001:db8::1]:1", "[2001:db8::1]:1", None, False),
        ("0.0.0.0:1", "127.0.0.1:1", None, True),
        ("[::]:1", "[::1]:1", None, True),
        ("my_service-2:1", "my_service-2:1", None, False),
        ("unixhost:1", "unixhost:1", None, False),
        ("localhost.example.org:1", "localhost.example.org:1", None, False),
        ("unix:/run/s", "unix:/run/s", None, True),
        ("unix:///run/s", "unix:/run/s", None, True),
        ("unix:run/s", "unix:run/s", None, True),
        ("/run/s", "unix:/run/s", None, True),
        ("UNIX:/run/S/", "unix:/run/S", None, True),
        ("unix:////run/s", "unix:/run/s", None, True),
        ("unix:/run/user@1/a?b", "unix:/run/user@1/a?b", None, True),
        ("unix:/run/a b", "unix:/run/a b", None, True),
        ("unix:~/s", "unix:/houses/ann/s", None, True),
        ("~/s", "unix:/houses/ann/s", None, True),
        ("unix:@s", "unix-abstract:s", None, True),
        ("127.1:1", "127.0.0.1:1", None, True),
        ("0x7f.0.0.1:1", "127.0.0.1:1", None, True),
        ("0:1", "127.0.0.1:1", None, True),
        ("localhost.:1", "localhost.:1", None, True),
        ("[0:0:0:0:0:0:0:1]:1", "[0:0:0:0:0:0:0:1]:1", None, True),
        ("[::1%25lo]:1", "[::1%lo]:1", None, True),
        ("[0::0]:1", "[::1]:1", None, True),
        ("dns:1", "dns:1", None, False),
        ("xds:1", "xds:1", None, False),
        ("localhost:00050051", "localhost:50051", None, True),
        ("unix-abstract:s", "unix-abstract:s", None, True),
    ],
)
def test_understood(
    written: str, target: str, encrypted: bool | None, local: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/houses/ann")
    address = parse_address(written)
    assert (address.target, address.encrypted, address.is_local) == (target, encrypted, local)
    assert parse_address(address.target).target == target


@pytest.mark.parametrize(
    "written",
    [
        " ",
        "local host:1",
        "localhost",
        "nowhere",
        "[::1]",
        "::1",
        "localhost:",
        "localhost:0",
        "localhost:65536",
        "localhost:http",
        "localhost:-1",
        "localhost:\u0661",
        "localhost:1/api",
        "localhost:1?tls",
        "http://localhost",
        "http:/localhost:1",
        "ftp://localhost:1",
        "a:1,b:2",
        "-:1",
        "::1:50051",
        "2001:db8::1:5005",
        "[::1",
        "[::1]1",
        "[localhost]:1",
        "unix:",
        "unix:/",
        "unix:/\0",
        "unix:/" + "x" * 107,
        "unix://host/path",
        "//localhost:1",
        "256.0.0.1:1",
        "1.2.3.4.5:1",
        "127.0.0.010:1",
        "localhost:" + "9" * 5000,
        "*:1",
        '"localhost:1"',
    ],
)
def test_refused(written: str) -> None:
    with pytest.raises(InvalidValue, match=r"^address: ") as caught:
        Client(written)
    assert "HOST:PORT" in str(caught.value)
    assert "unix:/PATH" in str(caught.value)


@pytest.mark.parametrize("written", [50051, b"localhost:1", ("localhost", 1), Path("/run/s")])
def test_addresses_of_other_types_are_refused(written: Any) -> None:
    with pytest.raises(InvalidType, match=r"^address: "):
        Client(written)


def test_a_variable_is_named_as_such() -> None:
    with pytest.raises(InvalidValue, match=r"^CONVSCOPE_ADDRESS: "):
        Config.from_environment(environ={"CONVSCOPE_ADDRESS": "localhost:http"})
    with pytest.raises(InvalidValue, match=r"^address: "):
        Config.from_environment(address="localhost:http", environ={"CONVSCOPE_ADDRESS": "localhost:1"})


@pytest.mark.parametrize(
    "written",
    [
        "ann:secret@host:1",
        "http://ann:secret@host:1",
        "http://ann:a secret@host:1",
        "redis://:secret@host:1",
        "https://host:1/?token=secret",
    ],
)
def test_a_password_is_not_shown(written: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        Client(written)
    assert "secret" not in str(caught.value)


@given(st.text())
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        address = parse_address(text)
    except InvalidValue:
        return
    assert parse_address(address.target) is not None
    assert address.is_unix or 1 <= int(address.target.rpartition(":")[2]) <= 65535


@pytest.mark.parametrize("name", ["a b", "a?b", "a#b", "a%b", "\u00e9", "a@b", "a:1"])
def test_a_socket_may_have_any_name(name: str) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="cs-") as folder,
        running_fake(f"unix:{folder}/{name}") as fake,
        Client(fake.address) as client,
    ):
        assert client.job("j").refresh().name == "jobs/j"


@pytest.mark.parametrize(
    "written",
    [
        "{0}",
        ":{0}",
        " LocalHost:{0} ",
        "http://localhost:{0}",
        "dns:///localhost:{0}/",
        "127.1:{0}",
        "0.0.0.0:{0}",
        "[::1]:{0}",
        "[::1%lo]:{0}",
        "[::]:{0}",
    ],
)
def test_a_server_is_reached_however_its_address_is_written(server: FakeService, written: str) -> None:
    with Client(written.format(server.address.rpartition(":")[2])) as client:
        assert client.job("j").refresh().name == "jobs/j"


@pytest.fixture(scope="module")
def server() -> Iterator[FakeService]:
    """A server on every loopback address."""
    with running_fake("localhost:0") as fake:
        yield fake


@pytest.mark.parametrize("token", ["a\nb", "\u00e9", "a\tb"])
def test_a_token_that_cannot_be_sent_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(InvalidValue, match="CONVSCOPE_TOKEN") as caught:
        Client("localhost:1", token=token)
    assert token not in str(caught.value)


def test_https_asks_for_tls() -> None:
    assert Config(address="https://example.org:1", token="t").encrypted
    with pytest.raises(InvalidValue, match=r"^token: "):
        Config(address="http://example.org:1", token="t")


def test_http_and_certificates_contradict_each_other() -> None:
    with pytest.raises(InvalidValue, match=r"^address: "):
        Client("http://localhost:1", root_certificates="/ca.pem")
