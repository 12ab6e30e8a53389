"""The version of this contract, and the metadata by which a call tells which one its client speaks."""

from typing import Final

__all__ = ["CONTRACT_KEY", "MAJOR", "MINOR", "VERSION"]

# Another number means that clients and servers do not understand each other: it is that of the package.
MAJOR: Final = 1

# Raised with each addition.
MINOR: Final = 0

# As it stands in metadata.
VERSION: Final = f"{MAJOR}.{MINOR}"

# Key of the metadata.
CONTRACT_KEY: Final = "convscope-contract"
