"""Random numbers without state: every use has its own generator, named by its purpose.

The numbers depend on the name alone, never on what was drawn before, in which order or in which process.
"""

import hashlib
import json

import numpy as np

__all__ = ["generator", "seed31"]


def generator(*name: str | int) -> np.random.Generator:
    """Return the generator called ``name``: NumPy's Philox, keyed by the first 128 bits of the name's SHA-256."""
    return np.random.Generator(np.random.Philox(key=int.from_bytes(_digest(name)[:16], "little")))


def seed31(*name: str | int) -> int:
    """Return the seed called ``name``, 0 to 2**31 - 1, for libraries that take 31 bits."""
    return int.from_bytes(_digest(name)[:4], "little") >> 1


def _digest(name: tuple[str | int, ...]) -> bytes:
    return hashlib.sha256(json.dumps(name).encode()).digest()
