"""Commands whose --help does not show the type of what takes no value."""

from typing import Any

from typer.core import TyperCommand, TyperGroup

__all__ = ["Command", "Group"]


class Command(TyperCommand):
    """A command."""

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option --help."""
        return _without_type(super().get_help_option(ctx))


class Group(TyperGroup):
    """A command that has commands."""

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option --help."""
        return _without_type(super().get_help_option(ctx))


def _without_type(option: Any) -> Any:
    if option is not None:
        option.metavar = ""
    return option
