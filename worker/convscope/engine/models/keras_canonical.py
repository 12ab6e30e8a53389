"""Keras files without dates and addresses, so that a training that is repeated gives the same bytes.

A model's file is named by the digest of its bytes, which cache keys of images contain.
"""

import io
import json
import zipfile
from typing import Any

from convscope.engine.models.keras_archive import CONFIG, METADATA

__all__ = ["canonical"]


def canonical(data: bytes) -> bytes:
    """Return a Keras file that Keras has just written, without dates and addresses of memory."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as written, zipfile.ZipFile(buffer, "w") as file:
        for name in sorted(written.namelist()):
            content = written.read(name)
            if name in CHANGES:
                content = json.dumps(CHANGES[name](json.loads(content))).encode()
            file.writestr(zipfile.ZipInfo(name), content)  # dated 1980, the first year of such archives
    return buffer.getvalue()


def _undated(metadata: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metadata.items() if name != "date_saved"}


def _numbered(config: Any) -> Any:
    """Number the objects that several layers share in order; Keras names them by their addresses."""
    numbers: dict[int, int] = {}

    def walk(value: Any) -> Any:
        if isinstance(value, list):
            return [walk(inner) for inner in value]
        if not isinstance(value, dict):
            return value
        walked = {name: walk(inner) for name, inner in value.items()}
        if isinstance(address := walked.get("shared_object_id"), int):
            walked["shared_object_id"] = numbers.setdefault(address, len(numbers) + 1)
        return walked

    return walk(config)


CHANGES = {CONFIG: _numbered, METADATA: _undated}
