"""``convscope up``, ``serve``, ``worker`` and ``admin``: run the modules that do it, with all their arguments."""

import os
import signal
import sys
from dataclasses import dataclass
from importlib.util import find_spec

import typer

from convscope.client.errors import MissingExtra

__all__ = ["register", "require"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Program:
    module: str
    extra: str
    # Modules of other projects that it requires.
    needs: tuple[str, ...]
    help: str


_SERVICE = ("redis", "rq", "obstore", "grpc_health")
_WORKER = ("redis", "rq", "obstore", "tensorflow", "keras", "sklearn")
_PROGRAMS = {
    "up": _Program(
        module="convscope.service.up",
        extra="all",
        needs=tuple(dict.fromkeys(_SERVICE + _WORKER)),
        help="Run everything on this machine: Redis, the service and workers.",
    ),
    "serve": _Program(
        module="convscope.service", extra="service", needs=_SERVICE, help="Run the service, given a Redis."
    ),
    "worker": _Program(module="convscope.worker", extra="worker", needs=_WORKER, help="Run a worker, given a Redis."),
    "admin": _Program(
        module="convscope.service.admin",
        extra="service",
        needs=("redis", "obstore"),
        help="Look after Redis and the artifact store: status, adopt, sweep.",
    ),
}


def register(app: typer.Typer, *, panel: str) -> None:
    """Add the commands; they have their own --help."""
    for name, program in _PROGRAMS.items():
        app.command(
            name,
            help=program.help,
            rich_help_panel=panel,
            add_help_option=False,
            context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
        )(_handover(name, program))


def require(name: str) -> None:
    """Raise MissingExtra if what a command runs is not installed."""
    program = _PROGRAMS[name]
    missing = [module for module in program.needs if find_spec(module) is None]
    if missing:
        install = f"pip install 'convscope[{program.extra}]'"
        raise MissingExtra(f"convscope {name} needs {', '.join(missing)}: {install}")


def _handover(name: str, program: _Program):  # type: ignore[no-untyped-def]
    def command(ctx: typer.Context) -> None:
        require(name)
        sys.stdout.flush()
        # While Python starts and imports the module, Ctrl-C would print a traceback: the module lets it through.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        os.execv(sys.executable, [sys.executable, "-m", program.module, *ctx.args])  # noqa: S606  this very Python

    return command
