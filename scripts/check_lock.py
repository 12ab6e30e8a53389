"""Check offline that requirements.lock pins all requirements of pyproject.toml, with hashes and without addresses."""

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
    """Yield every requirement that the lock must cover, with references to the project's own extras resolved."""
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
    """Yield each pin of the lock with the number of its hashes."""
    for entry in lock.replace("\\\n", " ").splitlines():
        text = entry.partition("#")[0].strip()
        if text:
            hashes = re.findall(r"--hash=sha256:[0-9a-f]{64}(?=\s|$)", text)
            yield Requirement(re.sub(r"\s--hash=\S+", "", text).strip()), len(hashes)


def applies(requirement: Requirement, python: str) -> bool:
    """Return whether a requirement applies to Linux with this Python, such as "3.12"."""
    environment = {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": "linux"}
    return requirement.marker is None or requirement.marker.evaluate(environment)


def canonical(name: str) -> str:
    """Return the name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def version(pin: Requirement) -> str:
    """Return the version that a pin allows."""
    return next(iter(pin.specifier)).version


def faults(pyproject_text: str, lock_text: str) -> list[str]:
    """Return the faults of the lock, one line for each; empty if there are none."""
    if "://" in lock_text or re.search(r"^\s*-[^-]|^--", lock_text, re.MULTILINE):
        return ["requirements.lock: has an address or an option; only pins and hashes belong there"]
    locked = list(pins(lock_text))
    lines = [f"{pin}: has no hash" for pin, hashes in locked if not hashes]
    lines += [
        f"{pin}: is not one exact version" for pin, _ in locked if not re.fullmatch(r"==[^,*]+", str(pin.specifier))
    ]
    if lines:
        return lines
    for python in PYTHONS:
        here = {canonical(pin.name): version(pin) for pin, _ in locked if applies(pin, python)}
        for requirement in wanted(tomllib.loads(pyproject_text)):
            pinned = here.get(canonical(requirement.name))
            if applies(requirement, python) and (pinned is None or pinned not in requirement.specifier):
                lines.append(f"{requirement}: Python {python} gets {pinned or 'nothing'}")
    return lines


def main() -> None:
    """Print the faults, and exit with 1 if there are any."""
    lines = faults((ROOT / "pyproject.toml").read_text(), (ROOT / "requirements.lock").read_text())
    for line in lines:
        print(line)
    if lines:
        sys.exit("Run scripts/lock.")


if __name__ == "__main__":
    main()
