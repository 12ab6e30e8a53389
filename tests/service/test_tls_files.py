"""A certificate or key that cannot be used is reported in one line that names the variable and the file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from convscope.service.tls import server_credentials


def generate(folder: Path, name: str, *options: str) -> tuple[Path, Path]:
    """Return a self-signed certificate and its key."""
    pair = folder / f"{name}-cert.pem", folder / f"{name}-key.pem"
    outputs = ["-out", str(pair[0]), "-keyout", str(pair[1])]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-days", "2", "-subj", "/CN=localhost", *outputs]
    subprocess.run([*command, *(options or ("-nodes",))], check=True, capture_output=True)
    return pair


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    (folder / "text").write_text("hello")
    (folder / "bytes").write_bytes(bytes(range(256)))
    generate(folder, "a")
    generate(folder, "b")
    generate(folder, "locked", "-passout", "pass:secret")
    return folder


def test_a_certificate_with_its_key(folder: Path) -> None:
    assert server_credentials(folder / "a-cert.pem", folder / "a-key.pem")


@pytest.mark.parametrize(
    ("certificate", "key", "expected"),
    [
        ("text", "a-key.pem", r"CONVSCOPE_TLS_CERT is .*/text, which is not a certificate in PEM form"),
        ("bytes", "a-key.pem", r"CONVSCOPE_TLS_CERT is .*/bytes, which is not a certificate"),
        ("a-key.pem", "a-cert.pem", r"CONVSCOPE_TLS_CERT is .*/a-key.pem, which is not a certificate"),
        ("a-cert.pem", "text", r"CONVSCOPE_TLS_KEY is .*/text, which is not the private key of .*/a-cert.pem"),
        ("a-cert.pem", "b-key.pem", r"CONVSCOPE_TLS_KEY is .*/b-key.pem, which is not the private key of"),
        ("locked-cert.pem", "locked-key.pem", r"CONVSCOPE_TLS_KEY is .*/locked-key.pem, .* without passphrase"),
        ("none", "a-key.pem", r"CONVSCOPE_TLS_CERT is .*/none, which cannot be read: No such file"),
        ("a-cert.pem", "/proc/self/mem", "CONVSCOPE_TLS_KEY is /proc/self/mem, which cannot be read: Input/output"),
    ],
)
def test_what_cannot_be_used_is_named(folder: Path, certificate: str, key: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        server_credentials(folder / certificate, folder / key)


@pytest.mark.parametrize("certificate", ["none", "text", "."])
def test_a_health_check_with_no_certificate_to_use_says_so(folder: Path, certificate: str) -> None:
    path = folder / certificate
    command = [sys.executable, "-m", "convscope.service.health", "localhost:1"]
    environment = {**os.environ, "CONVSCOPE_TLS_CERT": str(path)}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 1
    (line,) = answer.stderr.splitlines()
    assert line.startswith(f"convscope: CONVSCOPE_TLS_CERT is {path}, which ")


def test_the_program_says_so_in_its_last_line(folder: Path) -> None:
    files = {"CONVSCOPE_TLS_CERT": str(folder / "a-cert.pem"), "CONVSCOPE_TLS_KEY": str(folder / "b-key.pem")}
    environment = {**os.environ, **files, "CONVSCOPE_HOME": str(folder), "CONVSCOPE_REDIS_URL": f"unix://{folder}/none"}
    command = [sys.executable, "-m", "convscope.service", "--listen", "localhost:0"]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 2
    assert answer.stderr.splitlines()[-1].startswith("convscope serve: CONVSCOPE_TLS_KEY is ")
    assert "Traceback" not in answer.stderr
