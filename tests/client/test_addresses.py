"""Addresses as people spell them: understood as they were meant, or refused in a sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convscope.client import Client, Config, InvalidValue
from convscope.client.addresses import parse_address


@pytest.mark.parametrize(
    ("spelled", "target", "encrypted", "local"),
    [
        ("localhost:50051", "localhost:50051", None, True),
        (" localhost:50051 ", "localhost:50051", None, True),
        ("LOCALHOST:50051", "localhost:50051", None, True),
        ("localhost", "localhost:50051", None, True),
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
        ("[::1]", "[::1]:50051", None, True),
        ("::1", "[::1]:50051", None, True),
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
        ("unix-abstract:s", "unix-abstract:s", None, True),
    ],
)
def test_understood(spelled: str, target: str, encrypted: bool | None, local: bool) -> None:
    address = parse_address(spelled)
    assert (address.target, address.encrypted, address.is_local) == (target, encrypted, local)
    assert parse_address(address.target).target == target


@pytest.mark.parametrize(
    "spelled",
    [
        " ",
        "local host:1",
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
        "unix://host/path",
    ],
)
def test_refused(spelled: str) -> None:
    with pytest.raises(InvalidValue, match=r"^address: ") as caught:
        Client(spelled)
    assert "HOST:PORT" in str(caught.value)
    assert "unix:/PATH" in str(caught.value)


@pytest.mark.parametrize("spelled", ["ann:secret@host:1", "http://ann:secret@host:1", "redis://:secret@host:1"])
def test_a_password_is_not_shown(spelled: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        Client(spelled)
    assert "secret" not in str(caught.value)


@given(st.text())
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        address = parse_address(text)
    except InvalidValue:
        return
    assert parse_address(address.target) is not None
    assert address.is_unix or 1 <= int(address.target.rpartition(":")[2]) <= 65535


def test_https_asks_for_tls() -> None:
    assert Config(address="https://example.org:1", token="t").encrypted
    with pytest.raises(InvalidValue, match=r"^token: "):
        Config(address="http://example.org:1", token="t")


def test_http_and_certificates_contradict_each_other() -> None:
    with pytest.raises(InvalidValue, match=r"^address: "):
        Client("http://localhost:1", root_certificates="/ca.pem")
