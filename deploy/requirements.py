"""Print the part of requirements.lock, hashes included, that some of the project's extras need on this machine.

    python deploy/requirements.py service > service.txt && pip install --require-hashes --requirement service.txt

The lock covers the whole project, tests and tools included; an image should hold only what it runs. pip resolves the
extras under the lock's versions without installing anything, and the lock's entries for the resolved packages are
printed. ``build`` stands for what building the wheel needs. Needs only pip and an index.
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def wanted(pyproject: dict[str, Any], extras: list[str]) -> list[str]:
    """Return the requirements of the project and of these extras, those that they refer to included.

    Args:
        pyproject: the content of pyproject.toml.
        extras: names of extras, or just ``build`` for what building the wheel needs.

    Raises:
        KeyError: for an extra that the project does not have.
    """
    if extras == ["build"]:
        return list(pyproject["build-system"]["requires"])
    project = pyproject["project"]
    needs, pending = list(project["dependencies"]), list(extras)
    for extra in pending:  # the list grows meanwhile
        for need in project["optional-dependencies"][extra]:
            own = re.fullmatch(rf"{project['name']}\[([\w,-]+)\]", need)
            if own:
                pending += own[1].split(",")
            else:
                needs.append(need)
    return needs


def entries(lock: str) -> dict[str, list[str]]:
    """Return the lock's entries by package name; a package has several where Pythons differ."""
    by_name: dict[str, list[str]] = {}
    for entry in re.split(r"^(?=\S)", lock, flags=re.MULTILINE):
        if entry.strip():
            by_name.setdefault(entry.partition("==")[0], []).append(entry)
    return by_name


def resolve(requirements: list[str], pins: list[str]) -> list[str]:
    """Return the names of all packages that pip would install for the requirements under these pins."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        constraints.write("\n".join(pins))
        constraints.flush()
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command += ["--report", "-", "--constraint", constraints.name, *requirements]
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE)  # noqa: S603 - pip, with our requirements
    names = (item["metadata"]["name"] for item in json.loads(answer.stdout)["install"])
    return sorted(re.sub(r"[-_.]+", "-", name).lower() for name in names)


def main() -> None:
    """Print the entries for the extras named on the command line."""
    extras = sys.argv[1:]
    if not extras:
        sys.exit(__doc__)
    locked = entries((ROOT / "requirements.lock").read_text())
    pins = [entry.partition("\\")[0].strip() for versions in locked.values() for entry in versions]
    requirements = wanted(tomllib.loads((ROOT / "pyproject.toml").read_text()), extras)
    for name in resolve(requirements, pins):
        print("".join(locked[name]), end="")


if __name__ == "__main__":
    main()
