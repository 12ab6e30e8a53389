"""What of a Keras file decides the functions that are compiled for its model: all but the weights' values."""

import hashlib
import json
from typing import Any, Final

__all__ = ["WITH_CONSTANTS", "architecture_key"]

# Settings of a layer that only say which values its weights begin with.
INITIALIZER: Final = "_initializer"
# How the model was trained.
COMPILATION: Final = "compile_config"
# Layers that compute, when they are loaded, something from their weights that a compiled function holds as a constant.
WITH_CONSTANTS: Final = frozenset({"Normalization"})


def architecture_key(config: Any, sha256: str) -> str:
    """Return a key that files have in common if one's compiled functions compute the other, given its weights.

    Args:
        config: the file's configuration, as read from JSON.
        sha256: the file's digest, which the key depends on only where functions hold more than the configuration.
    """
    names = set[str]()
    shape = _without_values(config, names)
    own = [sha256] if names & WITH_CONSTANTS else []
    return hashlib.sha256(json.dumps([shape, *own], sort_keys=True).encode()).hexdigest()


def _without_values(value: Any, names: set[str]) -> Any:
    """Return a configuration without what decides only values; the classes in it are added to ``names``."""
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
