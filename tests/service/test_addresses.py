"""Addresses to listen on: known to be this machine's alone or not, or refused in a sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convscope.service.addresses import parse_listen
from convscope.service.settings import ServiceSettings


@pytest.mark.parametrize(
    ("spelled", "target", "local"),
    [
        ("localhost:50051", "localhost:50051", True),
        (" LOCALHOST:1 ", "localhost:1", True),
        ("127.0.0.1:0", "127.0.0.1:0", True),
        ("127.0.0.2:1", "127.0.0.2:1", True),
        ("[::1]:1", "[::1]:1", True),
        ("[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]:1", True),
        ("0.0.0.0:1", "0.0.0.0:1", False),
        ("[::]:1", "[::]:1", False),
        (":1", "[::]:1", False),
        ("10.0.0.1:1", "10.0.0.1:1", False),
        ("example.org:1", "example.org:1", False),
        ("localhost.example.org:1", "localhost.example.org:1", False),
        ("unix:/run/s", "unix:/run/s", True),
        ("unix:///run/s", "unix:/run/s", True),
        ("unix-abstract:s", "unix-abstract:s", True),
        ("unix:~/s", "unix:/houses/ann/s", True),
        ("unix:@s", "unix-abstract:s", True),
        ("127.1:1", "127.0.0.1:1", True),
        ("0:1", "0.0.0.0:1", False),
    ],
)
def test_understood(spelled: str, target: str, local: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/houses/ann")
    address = parse_listen(spelled)
    assert (address.target, address.is_local) == (target, local)
    assert ServiceSettings(listen=spelled, insecure=True).listen == target


@pytest.mark.parametrize(
    "spelled",
    [
        "",
        "localhost",
        ":",
        "50051",
        "localhost:",
        "localhost:65536",
        "localhost:x",
        "http://localhost:1",
        "localhost:1/",
        "::1:50051",
        "[::1]",
        "[localhost]:1",
        "[127.0.0.1]:1",
        "a:1,b:2",
        "unix:",
        "unix:/",
        "unix:/run/s/",
        "unix:/a\0b",
        "unix:/a?b",
        "unix:/" + "x" * 107,
        "unix://host/path",
        "*:1",
        "256.0.0.1:1",
        "127.0.0.010:1",
        "localhost:" + "9" * 5000,
        "local host:1",
    ],
)
def test_refused(spelled: str) -> None:
    with pytest.raises(ValueError, match="CONVSCOPE_LISTEN") as caught:
        parse_listen(spelled)
    assert "HOST:PORT" in str(caught.value)


def test_a_password_is_not_shown() -> None:
    with pytest.raises(ValueError, match="CONVSCOPE_LISTEN") as caught:
        parse_listen("ann:secret@host:1")
    assert "secret" not in str(caught.value)


@given(st.text())
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        address = parse_listen(text)
    except ValueError:
        return
    assert parse_listen(address.target) == address
