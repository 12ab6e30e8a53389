"""Checks offline that requirements.lock pins all that pyproject.toml asks for, with hashes and without an address."""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.11", "3.12", "3.13")

# What scripts/lock resolves: the extra and the group that it names.
LOCKED_EXTRAS = ("all",)
LOCKED_GROUPS = ("dev",)


def wanted(pyproject: dict[str, Any]) -> Iterator[Requirement]:
    """Yields every requirement that the lock answers for, the project's references to its own extras resolved."""
    project, name = pyproject["project"], pyproject["project"]["name"]
    pending = [*project["dependencies"]]
    pending += [f"{name}[{extra}]" for extra in LOCKED_EXTRAS]
    for group in LOCKED_GROUPS:
        pending += pyproject["dependency-groups"][group]
    for text in pending:
        requirement = Requirement(text)
        if requirement.name == name:
            for extra in sorted(requirement.extras):
                pending += project["optional-dependencies"][extra]
        else:
            yield requirement


def pins(lock: str) -> Iterator[tuple[Requirement, int]]:
    """Yields each pin of the lock with the number of its hashes."""
    for entry in lock.replace("\\\n", " ").splitlines():
        text = entry.partition("#")[0].strip()
        if text:
            hashes = re.findall(r"--hash=sha256:[0-9a-f]{64}(?=\s|$)", text)
            yield Requirement(re.sub(r"\s--hash=\S+", "", text).strip()), len(hashes)


def applies(requirement: Requirement, python: str) -> bool:
    """Tells whether a requirement is meant for Linux with this Python."""
    environment = {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": "linux"}
    return requirement.marker is None or requirement.marker.evaluate(environment)


def canonical(name: str) -> str:
    """Returns the name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def version(pin: Requirement) -> str:
    """Returns the version that a pin allows."""
    return next(iter(pin.specifier)).version


def faults(pyproject_text: str, lock_text: str) -> list[str]:
    """Returns what is wrong with the lock, one line each; nothing if all is well."""
    if "://" in lock_text or re.search(r"^\s*-[^-]|^--", lock_text, re.MULTILINE):
        return ["requirements.lock: has an address or an option; only pins and hashes belong there"]
    locked = list(pins(lock_text))
    found = [f"{pin}: has no hash" for pin, hashes in locked if not hashes]
    found += [
        f"{pin}: is not one exact version" for pin, _ in locked if not re.fullmatch(r"==[^,*]+", str(pin.specifier))
    ]
    if found:
        return found
    for python in PYTHONS:
        here = {canonical(pin.name): version(pin) for pin, _ in locked if applies(pin, python)}
        for requirement in wanted(tomllib.loads(pyproject_text)):
            pinned = here.get(canonical(requirement.name))
            if applies(requirement, python) and (pinned is None or pinned not in requirement.specifier):
                found.append(f"{requirement}: Python {python} gets {pinned or 'nothing'}")
    return found


def main() -> None:
    """Prints the faults and exits with 1 if there are any."""
    found = faults((ROOT / "pyproject.toml").read_text(), (ROOT / "requirements.lock").read_text())
    for line in found:
        print(line)
    if found:
        sys.exit("Run scripts/lock.")


if __name__ == "__main__":
    main()
