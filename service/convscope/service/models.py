"""The Models service."""

from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import grpc  # noqa: TC002 - named in an alias
from google.protobuf.empty_pb2 import Empty

from convscope.service.backend import Backend
from convscope.service.paging import check_token, cut_page
from convscope.v1 import models_pb2_grpc
from convscope.v1.models_pb2 import (
    DeleteModelRequest,
    ExportModelRequest,
    ExportModelResponse,
    GetModelRequest,
    ListModelsRequest,
    ListModelsResponse,
    Model,
)

__all__ = ["ModelsService"]

# In quotes: grpcio's classes are generic only for type checkers.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

# Pieces of this many bytes stream fastest.
PIECE = 2**20


class ModelsService(models_pb2_grpc.ModelsServicer):
    """Implements ``convscope.v1.Models``; the contract's comments say what each call does."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def ListModels(self, request: ListModelsRequest, context: Context) -> ListModelsResponse:  # noqa: N802
        """List models, newest first."""
        return await self._backend.run(_list, self._backend, request)

    async def GetModel(self, request: GetModelRequest, context: Context) -> Model:  # noqa: N802
        """Describe a model."""
        model, digest = await self._backend.run(_get, self._backend, request.name)
        if digest:
            model.MergeFromString(await self._backend.run_blob(self._backend.blobs.get, digest))
        return model

    async def DeleteModel(self, request: DeleteModelRequest, context: Context) -> Empty:  # noqa: N802
        """Delete a model."""
        await self._backend.run_blob(self._backend.manifests.delete, request.name)
        return Empty()

    async def ExportModel(  # noqa: N802
        self, request: ExportModelRequest, context: Context
    ) -> AsyncIterator[ExportModelResponse]:
        """Send a model's file."""
        model = await self._backend.run(self._backend.models.ready, request.name)
        data = await self._backend.run_blob(self._backend.blobs.get, model.digest.sha256)
        for start in range(0, len(data), PIECE):
            yield ExportModelResponse(data=data[start : start + PIECE])


def _get(backend: Backend, name: str) -> tuple[Model, str]:
    """Return a model without its history, and the digest of that, if there is one."""
    return backend.models.get(name), backend.models.history_digest(name)


def _list(backend: Backend, request: ListModelsRequest) -> ListModelsResponse:
    check_token(request.page_token)
    states = frozenset(request.states)

    def matches(model: Model) -> bool:
        return not states or model.state in states

    found = backend.models.newest_first(before=request.page_token, matches=matches)
    models, token = cut_page(found, request.page_size)
    return ListModelsResponse(models=models, next_page_token=token)
