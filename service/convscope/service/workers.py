"""The Workers service."""

from collections.abc import Iterator
from urllib.parse import quote, unquote

from convscope.service.backend import Backend
from convscope.service.calls import Context
from convscope.service.paging import cut_page, place_before
from convscope.store import WorkerRecord, WorkerStore
from convscope.v1 import workers_pb2_grpc
from convscope.v1.device_pb2 import Device
from convscope.v1.workers_pb2 import ListWorkersRequest, ListWorkersResponse, Worker, WorkerFilter, WorkerState

__all__ = ["WorkersService"]


class WorkersService(workers_pb2_grpc.WorkersServicer):
    """Implements ``convscope.v1.Workers``; the contract's comments say what each call does."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._workers = WorkerStore(backend.redis)

    async def ListWorkers(self, request: ListWorkersRequest, context: Context) -> ListWorkersResponse:  # noqa: N802
        """List workers by name."""
        after = unquote(place_before(request))
        records = await self._backend.run(self._workers.list)
        listed = (_message(record) for record in records if record.name > after)
        workers, token = cut_page(request, _filtered(listed, request.filter))
        return ListWorkersResponse(workers=workers, next_page_token=token)


def _filtered(workers: Iterator[Worker], wanted: WorkerFilter) -> Iterator[Worker]:
    devices, states = set(wanted.devices), set(wanted.states)
    for worker in workers:
        if (not devices or worker.device in devices) and (not states or worker.state in states):
            yield worker


def _message(record: WorkerRecord) -> Worker:
    state = _state(record)
    computes = bool(record.job_id) and not record.silent
    worker = Worker(
        name=f"workers/{quote(record.name, safe='')}",
        host=record.host,
        device=Device.Value(f"DEVICE_{record.device.upper()}"),
        state=state,
        warm=state == WorkerState.WORKER_STATE_IDLE and record.executor,
        job=f"jobs/{record.job_id}" if computes else "",
        part=record.part if computes else 0,
        version=record.version,
        process_id=record.process_id,
        thread_count=record.thread_count,
    )
    worker.heartbeat_time.FromMilliseconds(record.seen_ms)
    if record.started_ms:
        worker.start_time.FromMilliseconds(record.started_ms)
    return worker


def _state(record: WorkerRecord) -> WorkerState.ValueType:
    if record.silent:
        return WorkerState.WORKER_STATE_SILENT
    if record.draining:
        return WorkerState.WORKER_STATE_DRAINING
    return WorkerState.WORKER_STATE_BUSY if record.job_id else WorkerState.WORKER_STATE_IDLE
