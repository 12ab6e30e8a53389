"""The messages that ask for listings."""

from collections.abc import Iterable, Mapping

from convscope.client.enums import Device, JobKind, JobState, ModelState, WorkerState, member_names
from convscope.client.resources import Dataset, dataset_name
from convscope.client.submitting import label_values
from convscope.v1 import device_pb2, jobs_pb2, models_pb2, workers_pb2

__all__ = ["jobs_request", "models_request", "workers_request"]


def jobs_request(
    states: str | Iterable[str], kinds: str | Iterable[str], labels: Mapping[str, str] | None, *, newest_first: bool
) -> jobs_pb2.ListJobsRequest:
    """Return the request of ``Client.jobs``.

    Raises:
        InvalidValue, InvalidType: A value that cannot be right.
    """
    chosen = jobs_pb2.JobFilter(
        states=[jobs_pb2.JobState.Value(f"JOB_STATE_{name}") for name in member_names(JobState, "states", states)],
        kinds=[jobs_pb2.JobKind.Value(f"JOB_KIND_{name}") for name in member_names(JobKind, "kinds", kinds)],
        labels=label_values(labels or {}),
    )
    return jobs_pb2.ListJobsRequest(filter=chosen, order_by=_order(newest_first=newest_first))


def models_request(
    states: str | Iterable[str],
    datasets: str | Dataset | Iterable[str | Dataset],
    *,
    newest_first: bool,
    full: bool,
) -> models_pb2.ListModelsRequest:
    """Return the request of ``Client.models``.

    Raises:
        InvalidValue, InvalidType: A value that cannot be right.
    """
    names = [datasets] if isinstance(datasets, str | Dataset) else datasets
    chosen = models_pb2.ModelFilter(
        states=[
            models_pb2.ModelState.Value(f"MODEL_STATE_{name}") for name in member_names(ModelState, "states", states)
        ],
        datasets=[dataset_name(name) for name in names],
    )
    view = models_pb2.MODEL_VIEW_FULL if full else models_pb2.MODEL_VIEW_BASIC
    return models_pb2.ListModelsRequest(view=view, filter=chosen, order_by=_order(newest_first=newest_first))


def workers_request(devices: str | Iterable[str], states: str | Iterable[str]) -> workers_pb2.ListWorkersRequest:
    """Return the request of ``Client.workers``.

    Raises:
        InvalidValue, InvalidType: A value that cannot be right.
    """
    request = workers_pb2.ListWorkersRequest()
    request.filter.devices[:] = [
        device_pb2.Device.Value(f"DEVICE_{name}") for name in member_names(Device, "devices", devices)
    ]
    request.filter.states[:] = [
        workers_pb2.WorkerState.Value(f"WORKER_STATE_{name}") for name in member_names(WorkerState, "states", states)
    ]
    return request


def _order(*, newest_first: bool) -> str:
    """Return the order of a listing, as the contract writes it."""
    return "create_time desc" if newest_first else "create_time"
