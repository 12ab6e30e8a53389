"""The Models service."""

from collections.abc import AsyncIterator

from google.protobuf.empty_pb2 import Empty

from convscope.service.backend import Backend
from convscope.service.calls import Context
from convscope.service.deletions import unless_deleted
from convscope.service.paging import NUMBER, cut_page, is_newest_first, place_before
from convscope.store import parse_name
from convscope.v1 import models_pb2_grpc
from convscope.v1.models_pb2 import (
    DeleteModelRequest,
    ExportModelRequest,
    ExportModelResponse,
    GetModelRequest,
    ListModelsRequest,
    ListModelsResponse,
    ListTrainReportsRequest,
    ListTrainReportsResponse,
    Model,
    ModelView,
)

__all__ = ["ModelsService"]

# The form of a model's place in the listing.
PLACE = f"{NUMBER}-.+"


class ModelsService(models_pb2_grpc.ModelsServicer):
    """Implements ``convscope.v1.Models``; the contract's comments say what each call does."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def ListModels(self, request: ListModelsRequest, context: Context) -> ListModelsResponse:  # noqa: N802
        """List models by creation time."""
        return await self._backend.run(_list, self._backend, request)

    async def GetModel(self, request: GetModelRequest, context: Context) -> Model:  # noqa: N802
        """Describe a model."""
        model = await self._backend.run(self._backend.models.get, request.name)
        return _basic(model) if request.view == ModelView.MODEL_VIEW_BASIC else model

    async def ListTrainReports(  # noqa: N802
        self, request: ListTrainReportsRequest, context: Context
    ) -> ListTrainReportsResponse:
        """List the reports of a model's training."""
        return await self._backend.run_blob(_list_reports, self._backend, request)

    async def DeleteModel(self, request: DeleteModelRequest, context: Context) -> Empty:  # noqa: N802
        """Delete a model."""
        await self._backend.run_blob(self._backend.manifests.delete, request.name)
        return Empty()

    async def ExportModel(  # noqa: N802
        self, request: ExportModelRequest, context: Context
    ) -> AsyncIterator[ExportModelResponse]:
        """Send a model's file."""
        model = await self._backend.run(self._backend.models.ready, request.name)
        pieces = self._backend.read(
            model.digest.sha256,
            model.digest.size_bytes,
            request.offset,
            look_up=self._backend.models.get,
            name=request.name,
        )
        async for data in pieces:
            yield ExportModelResponse(data=data)


def _list(backend: Backend, request: ListModelsRequest) -> ListModelsResponse:
    full = request.view == ModelView.MODEL_VIEW_FULL
    states, datasets = set(request.filter.states), set(request.filter.datasets)

    def matches(model: Model) -> bool:
        return (not states or model.state in states) and (not datasets or model.dataset in datasets)

    newest_first, before = is_newest_first(request.order_by), _to_place(place_before(request, PLACE))
    stored = backend.models.walk(after=before, newest_first=newest_first, matches=matches)
    models, token = cut_page(request, stored if full else map(_basic, stored), _place)
    return ListModelsResponse(models=models, next_page_token=token)


def _list_reports(backend: Backend, request: ListTrainReportsRequest) -> ListTrainReportsResponse:
    last = int(place_before(request, NUMBER) or 0)
    digest = backend.models.history_digest(request.parent)
    with unless_deleted(backend.models.get, request.parent):
        stored = ListTrainReportsResponse.FromString(backend.blobs.get(digest)).reports if digest else ()
    by_step = {report.step: report for report in stored}  # the last of the reports at one step
    reports, token = cut_page(
        request, (by_step[step] for step in sorted(by_step) if step > last), lambda report: str(report.step)
    )
    return ListTrainReportsResponse(reports=reports, next_page_token=token)


def _basic(model: Model) -> Model:
    for field in ("layers", "lineage"):
        model.ClearField(field)
    if model.HasField("interpretation"):
        model.interpretation.ClearField("classes")
    return model


def _place(model: Model) -> str:
    """Return the place of a model in the listing: its time and id, since a chosen id says nothing of its time."""
    return f"{model.create_time.ToMilliseconds()}-{parse_name('models', model.name)}"


def _to_place(place: str) -> tuple[int, str] | None:
    """Return the time and the id of a place."""
    time, _, identifier = place.partition("-")
    return (int(time), identifier) if place else None
