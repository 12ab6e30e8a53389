"""The page token of one listing is refused by another."""

import grpc
from api import Api, refused
from stored_images import Store

from convscope.v1.visualizations_pb2 import ListVisualizationsRequest


def test_a_token_of_another_listing_is_refused(image_api: Api, image_store: Store) -> None:
    job = image_store.job({"conv2": [3, 5, 8], "logits": [0, 1]})
    listing = image_api.visualizations.ListVisualizations
    last = listing(ListVisualizationsRequest(job=job.name, layer="logits", page_size=1)).next_page_token
    assert last
    error = refused(lambda: listing(ListVisualizationsRequest(job=job.name, layer="conv2", page_token=last)))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
