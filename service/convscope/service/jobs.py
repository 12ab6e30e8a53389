"""The Jobs service."""

import contextlib
from collections.abc import AsyncIterator

from google.protobuf.empty_pb2 import Empty

from convscope.service.backend import Backend
from convscope.service.calls import Context
from convscope.service.deletions import unless_deleted
from convscope.service.hub import NotifyHub
from convscope.service.paging import cut_page, is_newest_first, place_before
from convscope.service.validation import Plan, plan_job, request_digest
from convscope.service.validation.estimates import estimated
from convscope.service.watch import watch_job
from convscope.store import (
    LOCAL_OWNER,
    BlobDamagedError,
    ModelFailedError,
    NotFoundError,
    parse_name,
    settle_waiters,
    spec_kind,
    waiting_reason,
)
from convscope.v1 import jobs_pb2_grpc
from convscope.v1.device_pb2 import Device
from convscope.v1.jobs_pb2 import (
    CancelJobRequest,
    CreateJobRequest,
    DeleteJobRequest,
    GetJobRequest,
    Job,
    JobEvent,
    JobKind,
    JobState,
    JobView,
    ListJobsRequest,
    ListJobsResponse,
    Priority,
    WatchJobRequest,
)
from convscope.v1.models_pb2 import ModelState

__all__ = ["JobsService"]


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
        job, digest = await self._backend.run(_get, self._backend, request)
        if digest:
            await self._backend.run_blob(_read_result, self._backend, job, digest)
        return job

    async def ListJobs(self, request: ListJobsRequest, context: Context) -> ListJobsResponse:  # noqa: N802
        """List jobs."""
        reads_results = request.view == JobView.JOB_VIEW_FULL
        return await (self._backend.run_blobs if reads_results else self._backend.run)(_list, self._backend, request)

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
        return _basic(await self._backend.run(_cancel, self._backend, request.name))

    async def DeleteJob(self, request: DeleteJobRequest, context: Context) -> Empty:  # noqa: N802
        """Delete an ended job."""
        await self._backend.run(self._backend.jobs.delete, request.name)
        return Empty()


def _create(backend: Backend, request: CreateJobRequest) -> Job:
    request_id = "" if request.validate_only else request.request_id
    existing = backend.jobs.of_request(request_id, request_digest(request))
    if existing is not None:  # before the spec is checked: its model may be deleted by now
        return existing
    plan = plan_job(request, backend.models, max_cost=backend.max_cost)
    if request.validate_only:
        return _preview(request.job, plan)
    job, _ = backend.jobs.create(
        plan.spec,
        request_digest=request_digest(request),
        sent=request.job,
        request_id=request.request_id,
        needs=plan.needs,
        model=plan.model,
        model_id=request.job.spec.train.model_id,
        priority=request.job.priority or Priority.PRIORITY_NORMAL,
        device=request.job.device or Device.DEVICE_ANY,
        **estimated(plan.estimate),
    )
    return job


def _preview(sent: Job, plan: Plan) -> Job:
    """Return a job as it would be created, without a name.

    Raises:
        ModelFailedError: if the training of the model that it needs did not succeed.
    """
    needed = plan.needed.state if plan.needed else ModelState.MODEL_STATE_READY
    if needed == ModelState.MODEL_STATE_FAILED:
        raise ModelFailedError(f"{plan.needs} cannot be used: its training did not succeed")
    waits = needed == ModelState.MODEL_STATE_PENDING
    job = Job(
        owner=LOCAL_OWNER,
        priority=Priority.PRIORITY_NORMAL,
        device=Device.DEVICE_ANY,
        effective_spec=plan.spec,
        kind=JobKind.Value(f"JOB_KIND_{spec_kind(sent.spec).upper()}"),
        state=JobState.JOB_STATE_WAITING if waits else JobState.JOB_STATE_QUEUED,
        estimate=plan.estimate,
    )
    job.MergeFrom(sent)
    return job


def _get(backend: Backend, request: GetJobRequest) -> tuple[Job, str]:
    """Return a job without its result, and the result's digest, ``""`` if there is none or it is not requested."""
    job = backend.jobs.get(request.name)
    if waiting := waiting_reason(backend.redis, job):
        job.waiting.CopyFrom(waiting)
    if request.view == JobView.JOB_VIEW_BASIC:
        return _basic(job), ""
    return job, backend.jobs.result_digest(request.name)


def _list(backend: Backend, request: ListJobsRequest) -> ListJobsResponse:
    stored = backend.jobs.walk(
        after=place_before(request),
        newest_first=is_newest_first(request.order_by),
        states=set(request.filter.states),
        kinds={JobKind.Name(kind).removeprefix("JOB_KIND_").lower() for kind in request.filter.kinds},
        labels=dict(request.filter.labels),
    )
    full = request.view == JobView.JOB_VIEW_FULL
    jobs, token = cut_page(request, (_with_result(backend, job) if full else _basic(job) for job in stored))
    return ListJobsResponse(jobs=jobs, next_page_token=token)


def _basic(job: Job) -> Job:
    for field in ("spec", "effective_spec"):
        job.ClearField(field)
    return job


def _with_result(backend: Backend, job: Job) -> Job:
    """Add a job's result; skip one that is damaged, so that the rest of the page is still listed."""
    if digest := backend.jobs.result_digest(job.name):
        with contextlib.suppress(BlobDamagedError, NotFoundError):
            _read_result(backend, job, digest)
    return job


def _read_result(backend: Backend, job: Job, digest: str) -> None:
    with unless_deleted(backend.jobs.get, job.name):
        job.result.ParseFromString(backend.blobs.get(digest))


def _cancel(backend: Backend, name: str) -> Job:
    job = backend.jobs.request_cancel(name)
    if job.model and job.state == JobState.JOB_STATE_CANCELLED:
        settle_waiters(backend.redis, parse_name("models", job.model))
    return job
