"""Architectures: the part of a Keras file that decides its compiled functions, all but the values of the weights."""

import hashlib
import json
from typing import Any, Final

__all__ = ["WITH_CONSTANTS", "architecture_key"]

# Settings of a layer that only decide the initial values of its weights.
INITIALIZER: Final = "_initializer"
# How the model was trained.
COMPILATION: Final = "compile_config"
# Layers that compute a constant of compiled functions from their weights when they are loaded.
WITH_CONSTANTS: Final = frozenset({"Normalization"})


def architecture_key(config: Any, sha256: str) -> str:
    """Return a key that is equal for files whose compiled functions can be shared, given the weights.

    Args:
        config: the file's configuration, as read from JSON.
        sha256: the file's digest; the key depends on it only where functions contain values of the weights.
    """
    names = set[str]()
    shape = _without_values(config, names)
    own = [sha256] if names & WITH_CONSTANTS else []
    return hashlib.sha256(json.dumps([shape, *own], sort_keys=True).encode()).hexdigest()


def _without_values(value: Any, names: set[str]) -> Any:
    """Return a configuration without initial values, and add the classes in it to ``names``."""
    if isinstance(value, list):
        return [_without_values(inner, names) for inner in value]
    if not isinstance(value, dict):
        return value
    names.add(str(value.get("class_name")))
    return {
        key: _without_values(inner, names)
        for key, inner in value.items()
        if key != COMPILATION and not key.endswith(INITIALIZER)
    }
