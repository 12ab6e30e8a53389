"""The Workers service."""

from typing import Any, TypeAlias

import grpc  # noqa: TC002 - named in an alias

from convscope.service.backend import Backend
from convscope.service.paging import check_token, cut_page
from convscope.store import WorkerRecord, WorkerStore
from convscope.v1 import workers_pb2_grpc
from convscope.v1.jobs_pb2 import Device
from convscope.v1.workers_pb2 import ListWorkersRequest, ListWorkersResponse, Worker, WorkerState

__all__ = ["WorkersService"]

# In quotes: grpcio's classes are generic only for type checkers.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class WorkersService(workers_pb2_grpc.WorkersServicer):
    """Implements ``convscope.v1.Workers``; the contract's comments say what each call does."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._workers = WorkerStore(backend.redis)

    async def ListWorkers(self, request: ListWorkersRequest, context: Context) -> ListWorkersResponse:  # noqa: N802
        """List workers by name."""
        check_token(request.page_token)
        records = await self._backend.run(self._workers.list)
        found = (_message(record) for record in records if record.name > request.page_token)
        workers, token = cut_page(found, request.page_size)
        return ListWorkersResponse(workers=workers, next_page_token=token)


def _message(record: WorkerRecord) -> Worker:
    state = _state(record)
    worker = Worker(
        name=f"workers/{record.name}",
        host=record.fields.get("host", ""),
        device=Device.Value(f"DEVICE_{record.device.upper()}"),
        state=state,
        warm=state == WorkerState.WORKER_STATE_IDLE and record.executor,
        job=f"jobs/{record.job_id}" if state == WorkerState.WORKER_STATE_BUSY else "",
        part=record.part if state == WorkerState.WORKER_STATE_BUSY else 0,
        version=record.fields.get("version", ""),
        process_id=int(record.fields.get("pid", "0")),
    )
    worker.heartbeat_time.FromMilliseconds(record.seen_ms)
    return worker


def _state(record: WorkerRecord) -> WorkerState.ValueType:
    if record.silent:
        return WorkerState.WORKER_STATE_SILENT
    return WorkerState.WORKER_STATE_BUSY if record.job_id else WorkerState.WORKER_STATE_IDLE
