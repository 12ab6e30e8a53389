"""URLs are shown without what may be a secret, and refused where nothing could be reached by them."""

import os
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convscope.store import BlobStore, StoreSettings
from convscope.store.errors import BlobError
from convscope.store.urls import redact

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    "url",
    [
        "redis://:s3cr3t@host:1/0",
        "redis://ann:s3cr3t@host:1/0",
        "reds://:s3cr3t@host",
        "redis:/:s3cr3t@host:1",
        "redis//:s3cr3t@host",
        "ann:s3cr3t@host:1",
        "redis://:s3cr3t@x@host:1",
        "redis://:s3cr3t?x@host:1",
        "redis://:s3cr3t/x@host:1",
        "redis://host:1/0?password=s3cr3t",
        "s3://bucket?aws_secret_access_key=s3cr3t&x=s3cr3t",
        "s3://bucket?s3cr3t",
        "s3://key:s3cr3t@bucket/prefix",
        "s3:/key:s3cr3t/bucket",
        "az://account:s3cr3t@container/prefix",
        "redis://:s3cr3t",
        "redis://ann:s3cr3t",
        "redis://ann:s3cr3t:host:6379/0",
        "redis://:s3cr3t/host:6379",
        "redis://:s3cr3t host:6379",
        "redis://ann:s3cr3t%40host:6379",
        "redis://:a#s3cr3t",
        "redis://[ann:s3cr3t",
        "redis:s3cr3t",
        "ann:s3cr3t",
    ],
)
def test_secrets_are_hidden(url: str) -> None:
    assert SECRET not in redact(url)
    for variable in ("CONVSCOPE_REDIS_URL", "CONVSCOPE_ARTIFACTS_URL"):
        assert SECRET not in refusal({variable: url, "CONVSCOPE_HOME": "/home"})


def refusal(environment: dict[str, str]) -> str:
    try:
        StoreSettings.from_environment(environment)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("url", ["redis://host:1/0", "unix:///run/redis.sock", "file:///srv/artifacts", "s3://b/p"])
def test_urls_without_secrets_are_shown(url: str) -> None:
    assert redact(url) == url


@given(
    scheme=st.sampled_from(["redis://", "rediss://", "redi://", "redis:/", "", "unix://"]),
    before=st.text(st.characters(exclude_categories=["C"])),
    after=st.text(st.characters(exclude_categories=["C"])),
)
def test_whatever_a_password_looks_like_it_is_hidden(scheme: str, before: str, after: str) -> None:
    assert SECRET not in redact(f"{scheme}{before}{SECRET}{after}@host:6379/0")


@pytest.mark.parametrize(
    "url",
    [
        "redis://host:x/0",
        "redis://host:99999/0",
        "redis://host:0/0",
        "redis://host/zero",
        "redis://host:1/0?db=x",
        "redis://host:1/0?sokcet_timeout=1",
        "redis://host:1/0?socket_timeout=x",
        "redis:/host:1/0",
        "redis://host/-1",
        "redis://host/0/1",
        "redis://host/99999999999999",
        "redis://host/0#x",
        "redis://ann?x:s3cr3t@host:1/0",
        "redis://host:1/0?decode_responses=1",
        "redis://host:1/0?ssl_cert_reqs=none",
        "redis://host:1/0?db=-1",
        "redis://host:1/0?connection_class=x",
        "rediss://host:1/0?ssl_cert_reqs=bogus",
        "rediss://host:1/0?ssl_ca_certs=/none",
        "redis://[::1",
        "redis://ho st:1",
        "redis://a:1,b:2",
        "unix://",
        "unix://host/path",
        "http://host:1",
    ],
)
def test_what_cannot_be_reached_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="CONVSCOPE_REDIS_URL") as caught:
        StoreSettings.from_environment({"CONVSCOPE_REDIS_URL": url})
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis://:p%40ss@[::1]:6380/15",
        "redis://ann:a@b@host/0?socket_timeout=3&client_name=x",
        "rediss://host?ssl_cert_reqs=none&db=3",
        "unix:///run/redis.sock?db=2&password=x",
        "unix://ann:x@/run/redis.sock",
    ],
)
def test_what_can_be_reached_is_taken_as_it_is(url: str) -> None:
    assert StoreSettings.from_environment({"CONVSCOPE_REDIS_URL": url}).redis_url == url


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3:///prefix",
        "gs://",
        "s3://bucket:99999/x",
        "s3://bu cket",
        "s3://key:s3cr3t@bucket",
        "s3://bucket?aws_secret_access_key=s3cr3t",
        "s3://bucket#x",
        "az://account:s3cr3t@container",
        "file://host/path",
        "file://relative",
        "file:///path?x=s3cr3t",
    ],
)
def test_an_artifact_store_that_cannot_be_opened_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="CONVSCOPE_ARTIFACTS_URL") as caught:
        StoreSettings.from_environment({"CONVSCOPE_ARTIFACTS_URL": url})
    assert SECRET not in str(caught.value)


def test_an_artifact_store_is_named_without_its_keys() -> None:
    assert SECRET not in BlobStore("s3://bucket/path?aws_secret_access_key=s3cr3t").url


def test_what_the_library_says_of_a_url_is_without_its_keys() -> None:
    with pytest.raises(BlobError) as caught:
        BlobStore(f"az://account:{SECRET}@container/prefix")  # a traceback shows this line as it is written
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_settings_show_no_secrets() -> None:
    settings = StoreSettings(
        home=Path("/home"), redis_url="redis://:s3cr3t@host:1/0", artifacts_url="file:///home/artifacts"
    )
    assert SECRET not in repr(settings)
    assert "host:1/0" in repr(settings)


MODULES = ["convscope.service", "convscope.service.up", "convscope.service.admin", "convscope.worker"]


@pytest.mark.parametrize("module", [*MODULES, "convscope.worker.supervisor.health"])
@pytest.mark.parametrize(
    ("variable", "url"),
    [("CONVSCOPE_REDIS_URL", "redis://ann:s3cr3t@host:x/0"), ("CONVSCOPE_ARTIFACTS_URL", "s3://key:s3cr3t@bucket")],
)
def test_every_program_refuses_in_a_sentence(module: str, variable: str, url: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", module, *(["status"] if module.endswith("admin") else [])]
    environment = {**os.environ, "CONVSCOPE_HOME": str(tmp_path), variable: url}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in {1, 2}
    assert variable in done.stderr
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stdout + done.stderr
