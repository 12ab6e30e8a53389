"""What the Dockerfile and the compose file promise."""

from pathlib import Path

import pytest

from deploy.requirements import wanted
from support.container_files import ROOT, compose, healthcheck, instructions, last, stages

IMAGES = ("service", "worker")


@pytest.mark.parametrize("image", IMAGES)
def test_image_runs_without_privileges_and_is_watched(image: str) -> None:
    assert int(last(image, "USER")) >= 1000
    assert healthcheck(image)[:2] == ["python", "-m"]


@pytest.mark.parametrize("image", IMAGES)
def test_image_holds_its_extra_alone(image: str) -> None:
    (copied,) = [arguments for name, arguments in stages()[image].instructions if "--from=" in arguments]
    assert copied == f"--from=build-{image} /opt/convscope /opt/convscope"
    runs = "\n".join(arguments for name, arguments in instructions(f"build-{image}") if name == "RUN")
    assert f"deploy/requirements.py {image} > {image}.txt" in runs
    assert f"--require-hashes --requirement {image}.txt" in runs


def test_an_extra_that_names_another_needs_what_that_needs() -> None:
    project = {"name": "p", "dependencies": ["a"], "optional-dependencies": {"x": ["p[y,z]", "b"], "y": ["c"], "z": []}}
    assert wanted({"project": project}, ["x"]) == ["a", "b", "c"]


def test_stages_build_on_one_base() -> None:
    assert {stage.base for stage in stages().values()} - stages().keys() == {"python:3.12-slim"}


def copied_from_here() -> list[str]:
    steps = [step for stage in stages().values() for step in stage.instructions]
    copies = [arguments.split() for name, arguments in steps if name == "COPY" and not arguments.startswith("--from")]
    return sorted({source for words in copies for source in words[:-1]})


@pytest.mark.parametrize("source", copied_from_here())
def test_copied_file_is_in_the_build_context(source: str) -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert (ROOT / source).exists()
    assert any(Path(source).is_relative_to(folder) for folder in kept), ".dockerignore leaves it out"


@pytest.mark.parametrize("image", IMAGES)
def test_composed_service_uses_the_image(image: str) -> None:
    service = compose()["services"][image]
    assert service["build"] == {"context": ".", "target": image}
    assert service["depends_on"] == {"redis": {"condition": "service_healthy"}}
    assert service["volumes"] == ["artifacts:/artifacts"]
    assert service["environment"]["CONVSCOPE_ARTIFACTS_URL"] == "file:///artifacts"
    assert service["environment"]["CONVSCOPE_REDIS_URL"] == "redis://redis:6379/0"
    assert "container_name" not in service, "could not be scaled"


def test_nothing_is_published_beyond_loopback() -> None:
    published = {name: service.get("ports", []) for name, service in compose()["services"].items()}
    assert published == {"redis": [], "service": ["127.0.0.1:50051:50051"], "worker": []}


def test_redis_keeps_its_data() -> None:
    assert compose()["services"]["redis"]["volumes"] == ["redis:/data"]
    assert set(compose()["volumes"]) == {"redis", "artifacts"}
