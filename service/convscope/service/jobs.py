"""The Jobs service."""

from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import grpc  # noqa: TC002 - named in an alias
from google.protobuf.empty_pb2 import Empty

from convscope.planning import plan_visualization
from convscope.service.backend import Backend
from convscope.service.errors import InvalidRequestError, Violation
from convscope.service.hub import NotifyHub
from convscope.service.paging import check_page, cut_page
from convscope.service.requests import known_values, name_to_id
from convscope.service.validation import plan_job, request_digest
from convscope.service.watch import watch_job
from convscope.store import dispatch, settle_waiters
from convscope.store.jobs.queue import queued_parts
from convscope.v1 import jobs_pb2_grpc
from convscope.v1.jobs_pb2 import (
    CancelJobRequest,
    CreateJobRequest,
    DeleteJobRequest,
    GetJobRequest,
    Job,
    JobEvent,
    JobKind,
    JobSpec,
    JobState,
    ListJobsRequest,
    ListJobsResponse,
    WatchJobRequest,
)

__all__ = ["JobsService"]

# In quotes: grpcio's classes are generic only for type checkers.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class JobsService(jobs_pb2_grpc.JobsServicer):
    """Implements ``convscope.v1.Jobs``; the contract's comments say what each call does."""

    def __init__(self, backend: Backend, hub: NotifyHub) -> None:
        self._backend = backend
        self._hub = hub

    async def CreateJob(self, request: CreateJobRequest, context: Context) -> Job:  # noqa: N802 - named by the contract
        """Check, store and queue a job."""
        # The plan of a visualization is an artifact.
        run = self._backend.run_blob if request.spec.HasField("visualize") else self._backend.run
        return await run(_create, self._backend, request)

    async def GetJob(self, request: GetJobRequest, context: Context) -> Job:  # noqa: N802
        """Describe a job."""
        name_to_id("jobs", request.name)
        job, digest = await self._backend.run(_get, self._backend, request.name)
        if digest:
            job.result.ParseFromString(await self._backend.run_blob(self._backend.blobs.get, digest))
        return job

    async def ListJobs(self, request: ListJobsRequest, context: Context) -> ListJobsResponse:  # noqa: N802
        """List jobs, newest first."""
        return await self._backend.run(_list, self._backend, request)

    async def WatchJob(self, request: WatchJobRequest, context: Context) -> AsyncIterator[JobEvent]:  # noqa: N802
        """Send a job's events."""
        job_id = name_to_id("jobs", request.name)
        if request.after_sequence < 0:
            raise InvalidRequestError(Violation("after_sequence", f"must be 0 or more, not {request.after_sequence}"))
        async for event in watch_job(self._backend, self._hub, job_id, request.after_sequence, request.after_token):
            yield event

    async def CancelJob(self, request: CancelJobRequest, context: Context) -> Job:  # noqa: N802
        """Ask a job to stop."""
        name_to_id("jobs", request.name)
        return await self._backend.run(_cancel, self._backend, request.name)

    async def DeleteJob(self, request: DeleteJobRequest, context: Context) -> Empty:  # noqa: N802
        """Delete an ended job."""
        name_to_id("jobs", request.name)
        self._backend.discard(await self._backend.run(self._backend.jobs.delete, request.name))
        return Empty()


def _create(backend: Backend, request: CreateJobRequest) -> Job:
    known = backend.jobs.of_request(request.request_id, request_digest(request))
    if known is not None:  # before the spec is checked: its model may be gone by now
        return _repeated(backend, known)
    plan = plan_job(request, backend.models, max_cost=backend.max_cost)
    parts, digest = _parts(backend, plan.spec)
    job, _ = backend.jobs.create(
        plan.spec,
        request_digest=plan.digest,
        request_id=request.request_id,
        needs=plan.needs,
        model=plan.model,
        priority=plan.priority,
        device=plan.device,
        parts=parts,
        plan=digest,
    )
    return _dispatched(backend, job)


def _parts(backend: Backend, spec: JobSpec) -> tuple[int, str]:
    """Cut a visualization into parts; returns their number, and the digest of the plan."""
    if spec.WhichOneof("kind") != "visualize":
        return 1, ""
    plan = plan_visualization(spec.visualize, backend.models.get(spec.visualize.model).layers)
    return len(plan.parts), backend.blobs.put(plan.to_bytes())


def _dispatched(backend: Backend, job: Job) -> Job:
    """Put a queued job on the queue."""
    if job.state == JobState.JOB_STATE_QUEUED:
        dispatch(backend.redis, name_to_id("jobs", job.name))
    return job


def _repeated(backend: Backend, job: Job) -> Job:
    """Answer a request that has made a job already; it may have been cut off before the job was on a queue."""
    job_id = name_to_id("jobs", job.name)
    waits = any(queued == job_id for queued, _ in queued_parts(backend.redis))
    return job if waits else _dispatched(backend, job)


def _get(backend: Backend, name: str) -> tuple[Job, str]:
    """Return a job without its result, and the digest of that, if there is one."""
    return backend.jobs.get(name), backend.jobs.result_digest(name)


def _list(backend: Backend, request: ListJobsRequest) -> ListJobsResponse:
    size = check_page(request.page_size, request.page_token)
    states = known_values("states", request.states, JobState.DESCRIPTOR)
    names = JobKind.DESCRIPTOR.values_by_number
    kinds = {
        names[kind].name.removeprefix("JOB_KIND_").lower()
        for kind in known_values("kinds", request.kinds, JobKind.DESCRIPTOR)
    }

    def matches(job: Job) -> bool:
        return (not states or job.state in states) and (not kinds or job.spec.WhichOneof("kind") in kinds)

    jobs, token = cut_page(backend.jobs.newest_first(before=request.page_token, matches=matches), size)
    return ListJobsResponse(jobs=jobs, next_page_token=token)


def _cancel(backend: Backend, name: str) -> Job:
    job = backend.jobs.request_cancel(name)
    if job.model and job.state == JobState.JOB_STATE_CANCELLED:
        settle_waiters(backend.redis, name_to_id("models", job.model))
    return job
