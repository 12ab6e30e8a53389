"""Make the client's modules for threads from those for asyncio, which are written by hand in ``aio``.

Without arguments it writes them; with ``--check`` it says which are not up to date.
"""

import difflib
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLIENT = ROOT / "client" / "convscope" / "client"
MODULES = ("client", "downloads", "image_listing", "jobs", "listings", "naming", "watching")

HEADER = """\
# Made by scripts/sync_client.py from aio/{name}.py: change that one, and run the script.

"""

# Replacements, in this order; the rest is the same.
RULES = (
    (r"\bconvscope\.client\.aio\.", "convscope.client."),
    (r"\bfrom grpc import aio\b", "import grpc"),
    (r"\baio\.(?=Unary)", "grpc."),
    (r"\basync (?=def|with|for)", ""),
    (r"\bawait ", ""),
    (r"\bAwaitable\[(\w+)\]", r"\1"),
    (r"\bAsync(?=[A-Z])", ""),
    (r"\b__a(enter|exit)__\b", r"__\1__"),
    (r"\baclosing\b", "closing"),
)

# Rules that ruff then applies: loops that only yield, needless brackets, the order of imports.
TIDY = "C416,F401,I001,UP028,UP034"

# Sentences that are true of one of the two only.
SENTENCES = (
    (
        """\
    ``kind``, ``model``, ``spec`` and ``info`` are what the server said last. A handle created by name knows nothing
    before ``refresh``; one from a listing knows neither ``spec`` nor the ``model`` that the job reads. Facts that are
    not known raise InvalidValue.
""",
        """\
    A handle created by name asks nothing by itself: ``kind``, ``model``, ``spec`` and ``info`` ask the server when they
    are first used, and raise what ``refresh`` raises. One from a listing asks for ``spec``, and for the ``model`` that
    the job reads.
""",
    ),
)


def main() -> int:
    """Write or check every module; return 1 if one is not up to date."""
    sources = "".join((CLIENT / "aio" / f"{name}.py").read_text(encoding="utf-8") for name in MODULES)
    if not all(asynchronous in sources for asynchronous, _ in SENTENCES):
        raise SystemExit("scripts/sync_client.py: a sentence has changed; change it there too")
    modules = {CLIENT / f"{name}.py": synchronous(name) for name in MODULES}
    if sys.argv[1:] != ["--check"]:
        for path, text in modules.items():
            path.write_text(text, encoding="utf-8")
        return 0
    stale = [path for path, text in modules.items() if path.read_text(encoding="utf-8") != text]
    for path in stale:
        current, wanted = path.read_text(encoding="utf-8").splitlines(), modules[path].splitlines()
        print(*difflib.unified_diff(current, wanted, str(path.relative_to(ROOT)), "as made", lineterm=""), sep="\n")
    if stale:
        print("Run scripts/sync_client.py.")
    return bool(stale)


def synchronous(name: str) -> str:
    """Return the module for threads of this name."""
    text = (CLIENT / "aio" / f"{name}.py").read_text(encoding="utf-8")
    for asynchronous, plain in SENTENCES:
        text = text.replace(asynchronous, plain)
    for pattern, replacement in RULES:
        text = re.sub(pattern, replacement, text)
    text = HEADER.format(name=name) + text
    tidy = ruff(name, text, "check", f"--select={TIDY}", "--fix", "--unsafe-fixes", "--quiet")
    return ruff(name, tidy, "format", "--quiet")


def ruff(name: str, text: str, *command: str) -> str:
    """Return a module as ruff rewrites it."""
    full = [str(Path(sys.executable).with_name("ruff")), *command, f"--stdin-filename={CLIENT / name}.py", "-"]
    return subprocess.run(full, input=text, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT).stdout


if __name__ == "__main__":
    sys.exit(main())
