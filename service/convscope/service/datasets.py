"""The Datasets service."""

from convscope.service.calls import Context
from convscope.service.catalogue import DATASETS, find_dataset
from convscope.service.paging import cut_page, place_before
from convscope.v1 import datasets_pb2_grpc
from convscope.v1.datasets_pb2 import Dataset, GetDatasetRequest, ListDatasetsRequest, ListDatasetsResponse

__all__ = ["DatasetsService"]


class DatasetsService(datasets_pb2_grpc.DatasetsServicer):
    """Implements ``convscope.v1.Datasets``; the contract's comments say what each call does."""

    async def ListDatasets(self, request: ListDatasetsRequest, context: Context) -> ListDatasetsResponse:  # noqa: N802
        """List datasets by name."""
        before = place_before(request)
        after = f"datasets/{before}" if before else ""
        datasets, token = cut_page(request, (DATASETS[name] for name in sorted(DATASETS) if name > after))
        return ListDatasetsResponse(datasets=datasets, next_page_token=token)

    async def GetDataset(self, request: GetDatasetRequest, context: Context) -> Dataset:  # noqa: N802
        """Describe a dataset."""
        return find_dataset(request.name)
