"""The one place where errors become a line on stderr and an exit code."""

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from convscope.client.errors import ConvscopeError, InvalidArgument, InvalidType, InvalidValue

__all__ = ["Commands", "report"]

_FAILED, _USAGE, _INTERRUPTED = 1, 2, 130


class Commands(TyperGroup):
    """The top of the command line; every command's errors pass through it."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command that was asked for."""
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
    """Says on stderr, in one line, what went wrong."""
    print(f"convscope: {' '.join(message.split())}", file=sys.stderr, flush=True)  # noqa: T201  for the person at the terminal
