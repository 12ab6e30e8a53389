"""The Models service."""

import re
from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import grpc  # noqa: TC002 - named in an alias
from google.protobuf.empty_pb2 import Empty

from convscope.service.backend import Backend
from convscope.service.errors import InvalidRequestError
from convscope.service.paging import BAD_TOKEN, check_size, cut_page
from convscope.service.requests import known_values, name_to_id
from convscope.store.names import ID_PATTERN
from convscope.v1 import models_pb2_grpc
from convscope.v1.models_pb2 import (
    DeleteModelRequest,
    ExportModelRequest,
    ExportModelResponse,
    GetModelRequest,
    ListModelsRequest,
    ListModelsResponse,
    Model,
    ModelState,
)

__all__ = ["ModelsService"]

# In quotes: grpcio's classes are generic only for type checkers.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

# Milliseconds since 1970, in a page token.
TIME = re.compile(r"[0-9]{1,15}")

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
        name_to_id("models", request.name)
        model, digest = await self._backend.run(_get, self._backend, request.name)
        if digest:
            model.MergeFromString(await self._backend.run_blob(self._backend.blobs.get, digest))
        return model

    async def DeleteModel(self, request: DeleteModelRequest, context: Context) -> Empty:  # noqa: N802
        """Delete a model."""
        name_to_id("models", request.name)
        await self._backend.run_blob(self._backend.manifests.delete, request.name)
        return Empty()

    async def ExportModel(  # noqa: N802
        self, request: ExportModelRequest, context: Context
    ) -> AsyncIterator[ExportModelResponse]:
        """Send a model's file."""
        name_to_id("models", request.name)
        model = await self._backend.run(self._backend.models.ready, request.name)
        data = await self._backend.run_blob(self._backend.blobs.get, model.sha256)
        for start in range(0, len(data), PIECE):
            yield ExportModelResponse(data=data[start : start + PIECE])


def _get(backend: Backend, name: str) -> tuple[Model, str]:
    """Return a model without its history, and the digest of that, if there is one."""
    return backend.models.get(name), backend.models.history_digest(name)


def _list(backend: Backend, request: ListModelsRequest) -> ListModelsResponse:
    size, before = check_size(request.page_size), _place(request.page_token) if request.page_token else None
    states = known_values("states", request.states, ModelState.DESCRIPTOR)

    def matches(model: Model) -> bool:
        return not states or model.state in states

    models, token = cut_page(backend.models.newest_first(before=before, matches=matches), size, _token)
    return ListModelsResponse(models=models, next_page_token=token)


def _token(model: Model) -> str:
    """Return the place of a model in the listing: ids that were chosen do not tell when."""
    return f"{model.create_time.ToMilliseconds()}-{name_to_id('models', model.name)}"


def _place(token: str) -> tuple[int, str]:
    """Return the time and the id in a token.

    Raises:
        InvalidRequestError: if it is not one.
    """
    time, _, identifier = token.partition("-")
    if not (TIME.fullmatch(time) and ID_PATTERN.fullmatch(identifier)):
        raise InvalidRequestError(BAD_TOKEN)
    return int(time), identifier
