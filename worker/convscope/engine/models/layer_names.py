"""Valid names of layers and models: images are listed and saved by them, and TensorFlow uses them as scopes."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from convscope.engine.errors import ModelFileError
from convscope.engine.models.graph import Step

__all__ = ["check_config_names", "check_layer_names", "check_model_name"]

# The names that TensorFlow accepts, without slashes and backslashes; Keras accepts any name.
USABLE: Final = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.>-]*")

# Bounds a layer's whole name, with those of the models that it is nested in: file systems allow 255 bytes.
MOST_CHARACTERS: Final = 200

# Characters of a name that an error shows.
SHOWN: Final = 60

# Descriptions of valid names, for messages.
CHARACTERS: Final = "letters A to Z and a to z, digits, '_', '.', '-' and '>', the first a letter, digit or '.'"
ALLOWED: Final = (
    f"a layer's name is of 1 to {MOST_CHARACTERS} characters, with those of the models around it, of {CHARACTERS}, and"
    " no other layer's"
)


def check_model_name(name: str) -> None:
    """Refuse a model whose own name is invalid.

    Raises:
        ModelFileError: saying what is allowed.
    """
    if name and not USABLE.fullmatch(name):
        raise ModelFileError(f"the model cannot have the name {_shown(name)}; a model's name is of {CHARACTERS}")


def check_layer_names(steps: Iterable[Step]) -> None:
    """Refuse a model with a layer whose name is invalid, or that of another layer.

    Raises:
        ModelFileError: naming the layer and what is allowed.
    """
    layers: dict[str, Any] = {}
    for step in steps:
        usable = "/" not in step.layer.name and all(map(_is_usable, step.path.split("/")))
        if not usable or len(step.path) > MOST_CHARACTERS:
            raise _refused(step.path, "cannot have this name")
        if layers.setdefault(step.path, step.layer) is not step.layer:  # one that is called twice is still one
            raise _refused(step.path, "is there twice")


def check_config_names(names: Sequence[object]) -> None:
    """Refuse invalid names among those of the layers in a model's configuration.

    Raises:
        ModelFileError: naming the layer and what is allowed.
    """
    seen: set[str] = set()
    for name in names:
        if not isinstance(name, str) or not _is_usable(name):
            raise _refused(name, "cannot have this name")
        if name in seen:
            raise _refused(name, "is there twice")
        seen.add(name)


def _is_usable(name: str) -> bool:
    return USABLE.fullmatch(name) is not None and len(name) <= MOST_CHARACTERS


def _refused(name: object, fault: str) -> ModelFileError:
    return ModelFileError(f"the model's layer {_shown(name)} {fault}; {ALLOWED}")


def _shown(name: object) -> str:
    text = repr(name)
    return f"{text[:SHOWN]}..." if len(text) > SHOWN else text
