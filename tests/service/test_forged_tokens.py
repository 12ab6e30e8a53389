"""Page tokens that fit their listing but name no place in it: what ties them together is not secret."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest

from convscope.service.paging import cut_page
from convscope.v1.evaluations_pb2 import ListExamplesRequest
from convscope.v1.images_pb2 import ListImagesRequest
from convscope.v1.jobs_pb2 import Job
from convscope.v1.models_pb2 import ListModelsRequest, ListTrainReportsRequest
from convscope.v1.rules import fill_defaults
from support.api import Api, refused

# A place that no listing has, and requests to those listings that make something else of places than text.
PLACES = ["x", "1e3", "1_0", " 1", "-1", "\u0665", "\0", "9" * 400]
LISTINGS: dict[str, tuple[Callable[[Api], Any], Any]] = {
    "examples": (lambda api: api.evaluations.ListExamples, ListExamplesRequest(parent="jobs/any")),
    "images": (lambda api: api.images.ListImages, ListImagesRequest(parent="jobs/any")),
    "reports": (lambda api: api.models.ListTrainReports, ListTrainReportsRequest(parent="models/any")),
    "models": (lambda api: api.models.ListModels, ListModelsRequest()),
}


def forged(request: Any, place: str) -> Any:
    """Return a request with a token whose check digits are right."""
    forgery = type(request)()
    forgery.CopyFrom(request)
    fill_defaults(forgery)
    forgery.page_size = 1
    _, forgery.page_token = cut_page(forgery, iter([Job(), Job()]), lambda _: place)
    return forgery


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("listing", LISTINGS)
def test_a_forged_token_is_refused(api: Api, listing: str, place: str) -> None:
    method, request = LISTINGS[listing]
    error = refused(lambda: method(api)(forged(request, place)))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "page_token" in (error.details() or "")
