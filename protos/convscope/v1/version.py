"""The version of this contract, and the metadata in which a call names the version that its client speaks."""

from typing import Final

__all__ = ["CONTRACT_KEY", "MAJOR", "MINOR", "VERSION"]

# Number of the package: clients and servers with different numbers do not understand each other.
MAJOR: Final = 1

# Raised with each addition.
MINOR: Final = 0

# The version in metadata.
VERSION: Final = f"{MAJOR}.{MINOR}"

# Key of the metadata.
CONTRACT_KEY: Final = "convscope-contract"
