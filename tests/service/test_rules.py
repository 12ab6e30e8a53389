"""The rules on the contract's fields are kept by every call: what keeps them passes, what breaks one is named."""

from typing import Any

import pytest
import redis
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convscope.service.errors import InvalidRequestError
from convscope.service.requests import check_request
from convscope.service.validation import plan_job
from convscope.store import ModelStore
from convscope.v1 import datasets_pb2, images_pb2, jobs_pb2, models_pb2, server_pb2, workers_pb2
from convscope.v1.jobs_pb2 import CreateJobRequest, JobFilter, ListJobsRequest
from convscope.v1.rules import field_rules, violations
from support.api import Api, refused
from support.api import violations as violations_of
from support.ruled_messages import breakages, fill_validly

MODULES = (datasets_pb2, images_pb2, jobs_pb2, models_pb2, server_pb2, workers_pb2)
METHODS: list[MethodDescriptor] = [
    method
    for module in MODULES
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]
REQUESTS = [GetMessageClass(method.input_type) for method in METHODS]

patient = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)


def broken(data: st.DataObject, request: Message) -> str:
    """Break one rule of a request that keeps them all; return what is named then."""
    path, spoil = data.draw(st.sampled_from(list(breakages(request))))
    spoil()
    return path


@patient
@given(data=st.data())
def test_what_keeps_the_rules_passes_with_its_defaults(data: st.DataObject) -> None:
    request: Any = data.draw(st.sampled_from([kind for kind in REQUESTS if kind is not CreateJobRequest]))()
    fill_validly(data, request)
    check_request(request)
    unset = [
        field.name
        for field in request.DESCRIPTOR.fields
        if field_rules(field).WhichOneof("default") and not getattr(request, field.name)
    ]
    assert not unset
    assert not list(violations(request))


@patient
@given(data=st.data())
def test_what_breaks_a_rule_is_named(data: st.DataObject) -> None:
    kinds = [kind for kind in REQUESTS if kind is not CreateJobRequest and kind.DESCRIPTOR.fields]
    request = data.draw(st.sampled_from(kinds))()
    fill_validly(data, request)
    path = broken(data, request)
    with pytest.raises(InvalidRequestError) as caught:
        check_request(request)
    assert {violation.field for violation in caught.value.violations} == {path}


@patient
@given(data=st.data())
def test_a_job_that_breaks_a_rule_is_not_planned(connection: redis.Redis, data: st.DataObject) -> None:
    request = CreateJobRequest()
    fill_validly(data, request)
    assert not list(violations(request))
    path = broken(data, request)
    with pytest.raises(InvalidRequestError) as caught:
        plan_job(request, ModelStore(connection))
    assert caught.value.violations[0].field == path


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_every_call_checks_the_rules(api: Api, method: MethodDescriptor) -> None:
    call: Any = api.channel.unary_stream(f"/{method.containing_service.full_name}/{method.name}")
    kind = GetMessageClass(method.input_type)
    for number in range(len(list(breakages(kind())))):
        request = kind()
        path, spoil = list(breakages(request))[number]
        spoil()
        error = refused(lambda request=request: list(call(request.SerializeToString(), timeout=30)))  # type: ignore[misc]
        assert path in violations_of(error)


def test_a_request_with_too_many_elements_is_refused_before_they_are_looked_at() -> None:
    request = ListJobsRequest(filter=JobFilter(states=[99] * 17))  # type: ignore[list-item]
    with pytest.raises(InvalidRequestError) as caught:
        check_request(request)
    assert [violation.field for violation in caught.value.violations] == ["filter.states"]
