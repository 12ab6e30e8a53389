"""Images of layers of nearly the same name lie in files of their own."""

from api import Api
from stored_images import Store

from convscope.v1.visualizations_pb2 import ExportFormat, ExportVisualizationsRequest


def test_no_file_of_an_export_is_that_of_two_layers(image_api: Api, image_store: Store) -> None:
    job = image_store.job({"a/b": [0], "a//b": [0]})
    request = ExportVisualizationsRequest(job=job.name, format=ExportFormat.EXPORT_FORMAT_PNG)
    paths = {piece.path for piece in image_api.visualizations.ExportVisualizations(request, timeout=60)}
    assert len(paths) == 3, paths  # two images and the index
