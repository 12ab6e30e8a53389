"""URLs as they may be shown: without passwords and keys."""

import re
from typing import Final

__all__ = ["redact"]

# What is in the place of a secret.
HIDDEN: Final = "***"
# Values behind a question mark: any of them may be a signature or key, and none helps to mend an address.
_VALUES: Final = re.compile(r"(?<=[?&;])([^=&;#]*)=[^&;#]*")


def redact(url: str) -> str:
    """Return a URL with whatever may be a secret hidden: it may be mistyped in any way.

    Args:
        url: what was given as a URL.
    """
    scheme, separator, rest = url.partition("://") if "://" in url else ("", "", url)
    before, at, after = rest.rpartition("@")  # a password may hold anything, another @ included
    shown = f"{scheme}{separator}{HIDDEN}@{after}" if at and before else url
    address, mark, query = shown.partition("?")
    return address + _VALUES.sub(rf"\1={HIDDEN}", mark + query)
