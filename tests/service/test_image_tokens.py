"""Page tokens of listings of images: good for their listing alone, and as they were given."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convscope.service.errors import InvalidRequestError
from convscope.service.images import canonical, number_of
from convscope.service.paging import NUMBER, cut_page, place_before
from convscope.v1.feature_pb2 import Feature
from convscope.v1.image_format_pb2 import ImageFormat
from convscope.v1.images_pb2 import ImageFilter, ListImagesRequest
from convscope.v1.visualize_pb2 import Image


def chosen(layer: str, *indices: int) -> ImageFilter:
    features = [Feature(layer=layer, index=index) for index in indices]
    return ImageFilter(layers=["dense1", "logits"], features=features, objectives=["mine"])


LISTING: dict[str, Any] = {"parent": "jobs/a", "filter": chosen("conv2", 8, 3)}
IMAGES = [Image(name=f"jobs/a/images/{number}") for number in (105, 106)]
_, TOKEN = cut_page(canonical(ListImagesRequest(**LISTING, page_size=1)), iter(IMAGES), number_of)


def last(**changes: Any) -> str:
    return place_before(canonical(ListImagesRequest(**{**LISTING, "page_token": TOKEN, **changes})), NUMBER)


@pytest.mark.parametrize(
    "changes",
    [{}, {"filter": chosen("conv2", 3, 8, 3)}, {"page_size": 7}, {"image_format": ImageFormat.IMAGE_FORMAT_PNG}],
)
def test_a_token_tells_where_its_listing_resumes(changes: dict[str, Any]) -> None:
    assert last(**changes) == "105"
    assert last(**changes, page_token="") == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"parent": "jobs/b"},
        {"filter": chosen("conv1", 8, 3)},
        {"filter": chosen("conv2", 3)},
        {"filter": ImageFilter()},
        {"filter": ImageFilter(layers=["dense1", "logits"])},
        {"filter": ImageFilter(objectives=["dense1", "logits"])},
    ],
)
def test_a_token_of_another_listing_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError, match="page_token"):
        last(**changes)


@given(
    st.text(max_size=30)
    | st.integers(0, 2**64).map(str)
    | st.integers(0, 10**12).map(lambda number: f"{number}-{TOKEN.partition('-')[2]}")
    | st.tuples(st.integers(0, len(TOKEN)), st.characters(codec="utf-8")).map(
        lambda cut: TOKEN[: cut[0]] + cut[1] + TOKEN[cut[0] :]
    )
    | st.integers(1, len(TOKEN) - 1).map(lambda end: TOKEN[:end])
)
def test_a_token_that_was_tampered_with_is_refused(token: str) -> None:
    if token and token != TOKEN:
        with pytest.raises(InvalidRequestError, match="page_token"):
            last(page_token=token)
