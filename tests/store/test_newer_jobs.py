"""Jobs that a newer version made: what this one does not know is refused, wherever it stands."""

import pytest

from convscope.store.errors import TooNewError
from convscope.store.jobs.newer import check_understood
from convscope.v1.feature_pb2 import Feature
from convscope.v1.jobs_pb2 import JobSpec
from convscope.v1.objective_pb2 import Objective, Term
from convscope.v1.render_pb2 import Render, Transforms
from convscope.v1.train_pb2 import Activation, Convolution, Network, TrainSpec
from convscope.v1.visualize_pb2 import Restarts, VisualizeSpec

# The field 99, a varint of 1, as it is on the wire.
NEW = b"\x98\x06\x01"


def known() -> JobSpec:
    term = Term(feature=Feature(layer="conv1", index=3))
    render = Render(transforms=Transforms(jitter=0.1))
    objectives = [Objective(terms=[term, term])]
    return JobSpec(visualize=VisualizeSpec(objectives=objectives, render=render, keep=Restarts.RESTARTS_ALL))


def test_jobs_of_this_version_are_understood() -> None:
    check_understood(known())
    filters = Convolution(filters=3, activation=Activation.ACTIVATION_ELU)
    check_understood(JobSpec(train=TrainSpec(network=Network(convolutions=[filters]))))


def test_a_new_field_is_found_wherever_it_stands() -> None:
    spec = known()
    visualize = spec.visualize
    for message in (spec, visualize, visualize.render.transforms, visualize.objectives[0].terms[1]):
        message.MergeFromString(NEW)
        with pytest.raises(TooNewError, match=f"^field 99 of {message.DESCRIPTOR.name}$"):
            check_understood(JobSpec.FromString(spec.SerializeToString()))
        message.DiscardUnknownFields()
    check_understood(spec)


def test_a_new_value_of_an_enumeration_is_found() -> None:
    spec = known()
    spec.visualize.MergeFrom(VisualizeSpec.FromString(b"\x40\x63"))  # field 8, keep
    with pytest.raises(TooNewError, match=r"^keep 99$"):
        check_understood(spec)


def test_a_new_kind_of_job_is_found() -> None:
    with pytest.raises(TooNewError, match="field 99 of JobSpec"):
        check_understood(JobSpec.FromString(NEW))
