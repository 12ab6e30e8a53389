"""Specs of anything that messages can hold: refused by fields that exist, or planned like any other."""

import re
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, settings
from hypothesis import strategies as st

from convscope.planning import ImageOrder, plan_visualization
from convscope.service.errors import InvalidRequestError
from convscope.store import layer_shapes, visualization_request
from convscope.v1.visualize_pb2 import VisualizeSpec
from support.visualize_specs import LAYERS, checked

NAMES = [*(layer.name for layer in LAYERS), "", "mine", "objectives[0]", "no layer"]
NUMBERS = st.integers(-1, 7) | st.sampled_from([-(2**31), 16, 17, 1_000, 1_001, 10_000, 10_001, 2**31 - 1])

VALUES: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_STRING: st.sampled_from(NAMES) | st.text(max_size=3),
    FieldDescriptor.TYPE_INT32: NUMBERS,
    FieldDescriptor.TYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_ENUM: st.integers(-1, 3),
    FieldDescriptor.TYPE_DOUBLE: st.sampled_from([0.0, 0.1, 1.0]) | st.floats(),
    FieldDescriptor.TYPE_FLOAT: st.sampled_from([0.0, 0.5, -1.0]) | st.floats(width=32),
}


@st.composite
def messages(draw: st.DrawFn, kind: Descriptor) -> Message:
    """Draw a message with some of its fields set."""
    message = GetMessageClass(kind)()
    for number in sorted(draw(st.sets(st.sampled_from([0, *kind.fields_by_number]), max_size=6)) - {0}):
        field = kind.fields_by_number[number]
        values = messages(field.message_type) if field.message_type else VALUES[field.type]
        if field.is_repeated:
            getattr(message, field.name).extend(draw(st.lists(values, max_size=3)))
        elif field.message_type:
            getattr(message, field.name).CopyFrom(draw(values))
        else:
            setattr(message, field.name, draw(values))
    return message


def exists(path: str, message: Message) -> bool:
    """Return whether a path leads to a field of a message, or to a choice of fields."""
    name, _, rest = path.partition(".")
    field, index = re.fullmatch(r"(\w+)(?:\[(\d+)\])?", name).groups()  # type: ignore[union-attr]
    if field in message.DESCRIPTOR.oneofs_by_name:
        return not rest and index is None
    value = getattr(message, field)
    value = value if index is None else value[int(index)]
    return not rest or exists(rest, value)


@settings(max_examples=80, deadline=None)
@given(messages(VisualizeSpec.DESCRIPTOR))
def test_any_spec_is_refused_by_existing_fields_or_can_be_planned(spec: VisualizeSpec) -> None:
    try:
        complete = checked(spec, max_cost=1e9)
    except InvalidRequestError as error:
        for violation in error.violations:
            assert exists(violation.field.removeprefix("job.spec.visualize."), spec), violation
            assert len(violation.description) > 10
        return
    assert checked(complete, max_cost=1e9) == complete
    request = visualization_request(complete)
    assert plan_visualization(request, layer_shapes(LAYERS)).parts
    assert ImageOrder(request).total
