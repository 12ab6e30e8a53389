"""A server tells what it is, to clients of any contract, whatever else is away."""

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from convscope.client import Client, FailedPrecondition, channels
from convscope.service.server_info import MAX_REQUEST_BYTES
from convscope.v1 import version as contract
from convscope.v1.datasets_pb2 import ListDatasetsRequest
from convscope.v1.images_pb2 import ListImagesRequest
from convscope.v1.jobs_pb2 import ListJobsRequest
from convscope.v1.models_pb2 import ListModelsRequest
from convscope.v1.rules import field_rules
from convscope.v1.workers_pb2 import ListWorkersRequest
from support.api import connect
from support.service_alone import NOT_SERVING, SERVING, service_alone

# Items on a page of any listing.
MAX_PAGE_SIZE = 1000


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service without Redis."""
    folder = tmp_path_factory.mktemp("n")
    with service_alone(f"unix://{folder}/none", folder, CONVSCOPE_MAX_COST="90.5") as (address, _):
        yield address


def test_a_server_tells_what_it_is(address: str) -> None:
    with Client(address) as client:
        info = client.info()
    assert info.version == version("convscope")
    assert str(info.contract) == contract.VERSION
    assert info.limits.max_request_bytes == MAX_REQUEST_BYTES
    assert info.limits.max_page_size == MAX_PAGE_SIZE
    assert info.limits.max_compute_seconds == 90.5


def test_the_largest_cost_is_reported(tmp_path: Path) -> None:
    with (
        service_alone(f"unix://{tmp_path}/none", tmp_path, CONVSCOPE_MAX_COST="1e300") as (address, _),
        Client(address) as client,
    ):
        assert client.info().limits.max_compute_seconds > 9_000 * 365 * 86_400


def test_it_serves_without_redis(address: str) -> None:
    with connect(address) as api:
        health = health_pb2_grpc.HealthStub(api.channel)
        names = ("convscope.v1.Server", "convscope.v1.Workers")
        states = [health.Check(health_pb2.HealthCheckRequest(service=name), timeout=30).status for name in names]
    assert states == [SERVING, NOT_SERVING]


def test_a_client_of_another_contract_is_given_both_versions(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "VERSION", "2.3")
    with Client(address) as client:
        with pytest.raises(FailedPrecondition) as caught:
            list(client.datasets())
        assert client.info().contract.major == contract.MAJOR
    assert contract.VERSION in str(caught.value)
    assert "2.3" in str(caught.value)


def test_all_listings_have_the_same_largest_page() -> None:
    requests = (ListJobsRequest, ListModelsRequest, ListDatasetsRequest, ListWorkersRequest, ListImagesRequest)
    assert {field_rules(kind.DESCRIPTOR.fields_by_name["page_size"]).maximum for kind in requests} == {MAX_PAGE_SIZE}
