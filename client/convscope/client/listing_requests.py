"""The messages that ask for listings."""

from collections.abc import Iterable, Mapping

from convscope.client.enums import Device, JobKind, JobState, ModelState, WorkerState, all_to_wire
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
        states=all_to_wire(JobState, jobs_pb2.JobState.Value, "states", states),
        kinds=all_to_wire(JobKind, jobs_pb2.JobKind.Value, "kinds", kinds),
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
        states=all_to_wire(ModelState, models_pb2.ModelState.Value, "states", states),
        datasets=[dataset_name(name) for name in names],
    )
    view = models_pb2.MODEL_VIEW_FULL if full else models_pb2.MODEL_VIEW_BASIC
    return models_pb2.ListModelsRequest(view=view, filter=chosen, order_by=_order(newest_first=newest_first))


def workers_request(devices: str | Iterable[str], states: str | Iterable[str]) -> workers_pb2.ListWorkersRequest:
    """Return the request of ``Client.workers``.

    Raises:
        InvalidValue, InvalidType: A value that cannot be right.
    """
    chosen = workers_pb2.WorkerFilter(
        devices=all_to_wire(Device, device_pb2.Device.Value, "devices", devices),
        states=all_to_wire(WorkerState, workers_pb2.WorkerState.Value, "states", states),
    )
    return workers_pb2.ListWorkersRequest(filter=chosen)


def _order(*, newest_first: bool) -> str:
    """Return the order of a listing, as the contract writes it."""
    return "create_time desc" if newest_first else "create_time"
