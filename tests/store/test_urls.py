"""URLs are shown without what may be a secret, and refused where nothing could be reached by them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convscope.store import BlobStore, StoreSettings
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
def test_what_is_no_secret_is_shown(url: str) -> None:
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
        "http://host:1",
    ],
)
def test_what_cannot_be_reached_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="CONVSCOPE_REDIS_URL"):
        StoreSettings.from_environment({"CONVSCOPE_REDIS_URL": url})


def test_an_artifact_store_is_named_without_its_keys() -> None:
    assert SECRET not in BlobStore("s3://bucket/path?aws_secret_access_key=s3cr3t").url
