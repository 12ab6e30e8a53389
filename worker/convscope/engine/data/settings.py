"""Places of datasets, read from the environment: the only variables of convscope that the engine reads."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["DataSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSettings:
    """Places of datasets; an empty variable counts as unset.

    Attributes:
        folder: has one folder for each dataset, by name (``CONVSCOPE_DATA``); None: there is no such folder.
        home: downloaded files are kept below it (``CONVSCOPE_HOME``, ``~/.convscope``).
        mirror: the address to download MNIST from, instead of the public ones (``CONVSCOPE_MNIST_URL``).
    """

    folder: Path | None = None
    home: Path
    mirror: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "DataSettings":
        """Read the three variables.

        Raises:
            ValueError: naming the variable, for a folder that does not exist or an invalid address.
        """
        folder = _path(environment, "CONVSCOPE_DATA")
        if folder and not folder.is_dir():
            raise ValueError(f"CONVSCOPE_DATA is {str(folder)!r}, which is not a folder")
        home = _path(environment, "CONVSCOPE_HOME")
        mirror = environment.get("CONVSCOPE_MNIST_URL") or None
        if mirror and not _is_mirror(mirror):  # it may hold a password, so it is not shown
            raise ValueError("CONVSCOPE_MNIST_URL must be http://HOST/PATH or https://HOST/PATH, with nothing else")
        return cls(folder=folder, home=home or Path.home() / ".convscope", mirror=mirror)


def _path(environment: Mapping[str, str], variable: str) -> Path | None:
    text = environment.get(variable)
    try:
        return Path(text).expanduser() if text else None
    except RuntimeError:
        raise ValueError(f"{variable} is {text!r}, whose user is unknown") from None


def _is_mirror(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return (
            parts.scheme in {"http", "https"}
            and bool(parts.hostname)
            and parts.port != 0
            and not (parts.username or parts.password or parts.query or parts.fragment)
        )
    except ValueError:
        return False
