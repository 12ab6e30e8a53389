"""Names of images: the digest of everything that decides an image's bits on one kind of machine."""

import hashlib
from collections.abc import Sequence
from typing import Final

from convscope.planning.order import ImageOrder, ImagePlace, objective_name
from convscope.planning.targets import restarts_of
from convscope.v1.objective_pb2 import Objective
from convscope.v1.visualize_pb2 import VisualizeSpec

__all__ = ["ENGINE_VERSION", "ImageNames"]

# To be raised whenever the engine computes other bits for the same request: images stored before are known no more.
ENGINE_VERSION: Final = 3


class ImageNames:
    """Names the images of one visualization.

    Args:
        spec: every default filled in.
        model_sha256: that of the model's file, in hexadecimal.
        rows: ascents in one chunk, by target: see ``VisualizationPlan``.
    """

    def __init__(self, spec: VisualizeSpec, model_sha256: str, rows: Sequence[int]) -> None:
        self._rows = {target.layer: each for target, each in zip(ImageOrder(spec).targets, rows, strict=True)}
        self._objectives = {objective_name(index, each.name): each for index, each in enumerate(spec.objectives)}
        shared = VisualizeSpec(
            iterations=spec.iterations,
            seed=spec.seed,
            trace=spec.trace,
            frames=spec.frames,
            render=spec.render if spec.HasField("render") else None,
            restarts=restarts_of(spec),
            keep=spec.keep,
        )
        self._shared = _joined(str(ENGINE_VERSION).encode(), model_sha256.encode(), _bytes(shared))

    def digest(self, place: ImagePlace) -> str:
        """Return an image's name: SHA-256 in hexadecimal."""
        objective = self._objectives.get(place.layer)
        numbers = f"{place.feature}.{place.restart} of {self._rows[place.layer]}".encode()
        named = _joined(place.layer.encode(), _bytes(objective) if objective else b"", numbers)
        return hashlib.sha256(self._shared + named).hexdigest()


def _bytes(message: VisualizeSpec | Objective) -> bytes:
    return message.SerializeToString(deterministic=True)


def _joined(*values: bytes) -> bytes:
    """Join values so that no two lists look the same."""
    return b"".join(len(value).to_bytes(8, "little") + value for value in values)
