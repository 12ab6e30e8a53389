"""The one place where errors become a line on stderr and an exit code."""

import re
import sys
from typing import Any, NoReturn

import typer

from convscope.client.cli.help import Group
from convscope.client.errors import ConvscopeError, InvalidArgument, InvalidType, InvalidValue

__all__ = ["Commands", "report"]

_FAILED, _USAGE, _INTERRUPTED = 1, 2, 130

# The base of all errors in the use of options and arguments, which typer does not export by name.
_BadUsage: Any = typer.BadParameter.__mro__[1]


class Commands(Group):
    """The top of the command line; every command's errors pass through it."""

    def main(self, *args: Any, **settings: Any) -> NoReturn:
        """Run the command line and exit."""
        try:
            code = super().main(*args, **settings | {"standalone_mode": False})
        except _BadUsage as error:
            _explain(error)
            code = _USAGE
        sys.exit(code or 0)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(_INTERRUPTED) from None
        except (InvalidValue, InvalidType, InvalidArgument) as error:
            report(str(error))
            raise typer.Exit(_USAGE) from None
        except ConvscopeError as error:
            report(str(error))
            raise typer.Exit(_FAILED) from None
        except BrokenPipeError:
            raise
        except OSError as error:
            report(f"{error.filename}: {error.strerror}" if error.filename else str(error))
            raise typer.Exit(_FAILED) from None


def report(message: str) -> None:
    """Say on stderr, in one line, what went wrong."""
    print(f"convscope: {' '.join(message.split())}", file=sys.stderr, flush=True)  # noqa: T201  for who typed it


def _explain(error: Any) -> None:
    """Say what is wrong with the arguments; where there are none at all, what there could be."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return
    path = error.ctx.command_path if error.ctx else "convscope"
    _name_value(error)
    report(f"{error.format_message().rstrip('.')}; see {path} --help")


def _name_value(error: Any) -> None:
    """Start pydantic's message on a value, which typer passes on, with the value itself instead of a word for it."""
    faults: list[Any] = getattr(error.__cause__, "errors", list)()
    if faults:
        message = error.message.removeprefix("Value error, ")
        error.message = re.sub("^Input(?= )", lambda _: repr(faults[0]["input"]), message)
