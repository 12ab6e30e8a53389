"""Reads the Dockerfile and the compose file, for tests that run what they say without a container engine."""

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Stage:
    """One stage of the Dockerfile: what it is based on, and its instructions in order, as (name, arguments)."""

    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)


@cache
def stages() -> dict[str, Stage]:
    """Return the stages by name."""
    by_name: dict[str, Stage] = {}
    text = (ROOT / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for instruction in "\n".join(lines).replace("\\\n", " ").splitlines():
        name, _, arguments = instruction.partition(" ")
        if name == "FROM":
            base, _, stage = arguments.partition(" AS ")
            by_name[stage] = Stage(base)
        elif name:
            list(by_name.values())[-1].instructions.append((name, arguments.strip()))
    return by_name


def instructions(stage: str) -> list[tuple[str, str]]:
    """Return all instructions that make a stage, those of the stages it is based on first."""
    described = stages()[stage]
    return [*(instructions(described.base) if described.base in stages() else []), *described.instructions]


def last(stage: str, name: str) -> str:
    """Return the arguments of the last instruction of a name: the one that counts for CMD and USER."""
    return [arguments for instruction, arguments in instructions(stage) if instruction == name][-1]


def command(stage: str) -> list[str]:
    """Return what a container of this image runs."""
    return [*json.loads(last(stage, "ENTRYPOINT")), *json.loads(last(stage, "CMD"))]


def healthcheck(stage: str) -> list[str]:
    """Return the command of its health check."""
    words: list[str] = json.loads(last(stage, "HEALTHCHECK").partition("CMD ")[2])
    return words


def environment(stage: str) -> dict[str, str]:
    """Return the variables that the image sets, but for PATH."""
    settings = " ".join(arguments for name, arguments in instructions(stage) if name == "ENV").split()
    return {name: value for name, _, value in (setting.partition("=") for setting in settings) if name != "PATH"}


@cache
def compose() -> dict[str, Any]:
    """Return the compose file."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return content
