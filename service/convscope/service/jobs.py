"""The Jobs service."""

from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import grpc  # noqa: TC002 - named in an alias
from google.protobuf.empty_pb2 import Empty

from convscope.planning import PART_S, estimate_seconds, plan_visualization
from convscope.service.backend import Backend
from convscope.service.hub import NotifyHub
from convscope.service.paging import check_token, cut_page
from convscope.service.validation import plan_job, request_digest
from convscope.service.watch import watch_job
from convscope.store import layer_shapes, settle_waiters, visualization_request
from convscope.store.jobs.waiting import waiting_reason
from convscope.store.names import parse_name
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


# How long one worker should take for a part of a visualization, by estimate, in seconds.
PART_SECONDS = PART_S


class JobsService(jobs_pb2_grpc.JobsServicer):
    """Implements ``convscope.v1.Jobs``; the contract's comments say what each call does."""

    def __init__(self, backend: Backend, hub: NotifyHub) -> None:
        self._backend = backend
        self._hub = hub

    async def CreateJob(self, request: CreateJobRequest, context: Context) -> Job:  # noqa: N802 - named by the contract
        """Check, store and queue a job."""
        return await self._backend.run(_create, self._backend, request)

    async def GetJob(self, request: GetJobRequest, context: Context) -> Job:  # noqa: N802
        """Describe a job."""
        job, digest = await self._backend.run(_get, self._backend, request.name)
        if digest:
            job.result.ParseFromString(await self._backend.run_blob(self._backend.blobs.get, digest))
        return job

    async def ListJobs(self, request: ListJobsRequest, context: Context) -> ListJobsResponse:  # noqa: N802
        """List jobs, newest first."""
        return await self._backend.run(_list, self._backend, request)

    async def WatchJob(self, request: WatchJobRequest, context: Context) -> AsyncIterator[JobEvent]:  # noqa: N802
        """Send a job's events."""
        job_id = parse_name("jobs", request.name)
        async for event in watch_job(
            self._backend,
            self._hub,
            job_id,
            request.after_sequence,
            request.after_token,
            image_format=request.image_format,
        ):
            yield event

    async def CancelJob(self, request: CancelJobRequest, context: Context) -> Job:  # noqa: N802
        """Ask a job to stop."""
        return await self._backend.run(_cancel, self._backend, request.name)

    async def DeleteJob(self, request: DeleteJobRequest, context: Context) -> Empty:  # noqa: N802
        """Delete an ended job."""
        await self._backend.run(self._backend.jobs.delete, request.name)
        return Empty()


def _create(backend: Backend, request: CreateJobRequest) -> Job:
    known = backend.jobs.of_request(request.request_id, request_digest(request))
    if known is not None:  # before the spec is checked: its model may be gone by now
        return known
    plan = plan_job(request, backend.models, max_cost=backend.max_cost)
    parts, cost = _cut(backend, plan.spec)
    job, _ = backend.jobs.create(
        plan.spec,
        request_digest=plan.digest,
        request_id=request.request_id,
        needs=plan.needs,
        model=plan.model,
        priority=plan.priority,
        device=plan.device,
        parts=parts,
        part_seconds=PART_SECONDS,
        part_cost_s=cost,
    )
    return job


def _cut(backend: Backend, spec: JobSpec) -> tuple[int, float]:
    """Return in how many parts a job is computed, and what one costs on average, in seconds by estimate."""
    if spec.WhichOneof("kind") != "visualize":
        return 1, 1.0
    request = visualization_request(spec.visualize)
    layers = layer_shapes(backend.models.get(spec.visualize.model).layers)
    parts = len(plan_visualization(request, layers, PART_SECONDS).parts)
    return parts, estimate_seconds(request, layers) / parts


def _get(backend: Backend, name: str) -> tuple[Job, str]:
    """Return a job without its result, and the digest of that, if there is one."""
    job = backend.jobs.get(name)
    if waiting := waiting_reason(backend.redis, job):
        job.waiting.CopyFrom(waiting)
    return job, backend.jobs.result_digest(name)


def _list(backend: Backend, request: ListJobsRequest) -> ListJobsResponse:
    check_token(request.page_token)
    kinds = {JobKind.Name(kind).removeprefix("JOB_KIND_").lower() for kind in request.kinds}
    found = backend.jobs.newest_first(before=request.page_token, states=set(request.states), kinds=kinds)
    jobs, token = cut_page(found, request.page_size)
    return ListJobsResponse(jobs=jobs, next_page_token=token)


def _cancel(backend: Backend, name: str) -> Job:
    job = backend.jobs.request_cancel(name)
    if job.model and job.state == JobState.JOB_STATE_CANCELLED:
        settle_waiters(backend.redis, parse_name("models", job.model))
    return job
