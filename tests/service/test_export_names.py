"""Exports of layers with unusual names: no file replaces another of nearly the same name, or leaves its folder."""

from pathlib import PurePosixPath
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convscope.service.export_names import INDEX, array_name, folder_name

# Names of a few characters that mean something, and of any.
NAMES = st.text("ab/.%#\\\0\n1", max_size=6) | st.text(max_size=8)
NAMES |= st.sampled_from(["index.json", "a/1.png", "1.png", "2-0.png/b", "%2F", "a/%", "", "objectives[0]", "größe 3"])


@settings(max_examples=40, deadline=None)
@given(st.sets(NAMES, min_size=2, max_size=8))
def test_no_picture_is_in_the_way_of_another(layers: set[str]) -> None:
    files = [INDEX, *(f"{folder_name(layer)}/{name}.png" for layer in layers for name in ("1", "2-0"))]
    assert len(set(files)) == len(files)
    folders = {str(parent) for file in files for parent in PurePosixPath(file).parents}
    assert not folders.intersection(files)
    for file in files:
        assert str(PurePosixPath(file)) == file
        assert not file.startswith("/")
        assert not {".", ".."}.intersection(file.split("/"))
        assert "\0" not in file


@given(NAMES)
def test_the_name_can_be_restored(layer: str) -> None:
    assert unquote(array_name(layer), errors="strict") == layer
    folder = folder_name(layer)
    assert "/" not in folder
    assert ("" if folder == "%" else unquote(folder, errors="strict")) == layer


@pytest.mark.parametrize("layer", ["conv1", "block_3 conv (1)", "objectives[0]", "a.b-c", "schön"])
def test_ordinary_names_stay(layer: str) -> None:
    assert array_name(layer) == folder_name(layer) == layer
