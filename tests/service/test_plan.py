"""Checks of specs: defaults are filled in, and whatever cannot be right is refused by name."""

import math
from collections.abc import Callable

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convscope.service.errors import InvalidRequestError
from convscope.service.validation import Plan, plan_job, request_digest
from convscope.store import JobStore, ModelStore
from convscope.store.errors import NotFoundError
from convscope.v1.evaluate_pb2 import EvaluateSpec
from convscope.v1.jobs_pb2 import JobSpec
from convscope.v1.models_pb2 import Interpretation, LayerKind, Model, ModelHead, ModelInput
from convscope.v1.train_pb2 import Activation, Adam, Convolution, Dense, Network, Precision, TrainSpec
from convscope.v1.visualize_pb2 import FeatureList, FeatureRange, LayerSelection, VisualizeSpec
from support.api import creating

Planner = Callable[[JobSpec], Plan]


@pytest.fixture
def plan(connection: redis.Redis) -> Planner:
    return lambda spec: plan_job(creating(spec), ModelStore(connection))


@pytest.fixture
def model(connection: redis.Redis, plan: Planner) -> str:
    """The name of the tutorial's network, in training."""
    planned = plan(JobSpec(train=TrainSpec()))
    job, _ = JobStore(connection).create(planned.spec, request_digest="d", model=planned.model)
    return job.model


def effective(planned: Plan) -> JobSpec:
    """Return the spec with every default filled in."""
    assert planned.spec is not None
    return planned.spec


def refused(plan: Planner, spec: JobSpec) -> dict[str, str]:
    with pytest.raises(InvalidRequestError) as caught:
        plan(spec)
    return {violation.field: violation.description for violation in caught.value.violations}


def test_the_default_is_the_tutorial(plan: Planner) -> None:
    planned = plan(JobSpec(train=TrainSpec()))
    train = effective(planned).train
    assert train.dataset == "datasets/mnist"
    assert (train.adam.learning_rate, train.batch_size, train.iterations) == (1e-4, 64, 10_000)
    assert (train.report_interval, train.validation_interval, train.seed) == (100, 0, 0)
    assert train.precision == Precision.PRECISION_FLOAT32
    assert planned.model is not None
    assert [
        (layer.name, layer.op, list(layer.inputs), list(layer.output_shape), layer.feature_count)
        for layer in planned.model.layers
    ] == [
        ("conv1", "Conv2D", [""], [28, 28, 16], 16),
        ("pool1", "MaxPooling2D", ["conv1"], [14, 14, 16], 0),
        ("conv2", "Conv2D", ["pool1"], [14, 14, 36], 36),
        ("pool2", "MaxPooling2D", ["conv2"], [7, 7, 36], 0),
        ("flatten", "Flatten", ["pool2"], [1764], 0),
        ("dense1", "Dense", ["flatten"], [128], 128),
        ("logits", "Dense", ["dense1"], [10], 10),
    ]
    interpretation = planned.model.interpretation
    pixels = interpretation.input
    assert (list(pixels.shape), pixels.black, pixels.white) == ([28, 28, 1], 0, 1)
    assert (interpretation.head.kind, interpretation.head.layer) == (ModelHead.KIND_LOGITS, "logits")
    assert (planned.model.revision, len(interpretation.classes)) == (1, 10)
    assert planned.model.parameter_count == 5 * 5 * 16 + 16 + 5 * 5 * 16 * 36 + 36 + 1764 * 128 + 128 + 1280 + 10


def test_no_layers_at_all_are_a_linear_classifier(plan: Planner) -> None:
    planned = plan(JobSpec(train=TrainSpec(network=Network())))
    assert planned.model is not None
    assert [layer.name for layer in planned.model.layers] == ["flatten", "logits"]


@pytest.mark.parametrize(
    ("spec", "field", "allowed"),
    [
        (
            TrainSpec(adam=Adam(learning_rate=math.nan)),
            "job.spec.train.adam.learning_rate",
            "greater than 0 and at most 1, not nan",
        ),
        (TrainSpec(adam=Adam(learning_rate=math.inf)), "job.spec.train.adam.learning_rate", "at most 1"),
        (TrainSpec(adam=Adam(learning_rate=0)), "job.spec.train.adam.learning_rate", "greater than 0"),
        (TrainSpec(batch_size=-1), "job.spec.train.batch_size", "1 to 8,192, not -1"),
        (TrainSpec(batch_size=0), "job.spec.train.batch_size", "1 to 8,192"),
        (TrainSpec(iterations=-1), "job.spec.train.iterations", "0 to 10,000,000"),
        (TrainSpec(iterations=10**12), "job.spec.train.iterations", "0 to 10,000,000"),
        (TrainSpec(report_interval=0), "job.spec.train.report_interval", "1 to 1,000,000"),
        (TrainSpec(iterations=1_000_000, report_interval=9), "job.spec.train.report_interval", "at least 100"),
        (TrainSpec(iterations=10_000, validation_interval=1), "job.spec.train.validation_interval", "at least 10"),
        (TrainSpec(precision=7), "job.spec.train.precision", "unknown value 7; allowed: PRECISION_FLOAT32"),  # type: ignore[arg-type]
        (
            TrainSpec(network=Network(convolutions=[Convolution(filters=8)] * 5)),
            "job.spec.train.network.convolutions[4].pool_size",
            "shrinks the image to nothing: 1x1 pixels cannot be pooled by 2",
        ),
        (
            TrainSpec(network=Network(convolutions=[Convolution(filters=0)])),
            "job.spec.train.network.convolutions[0].filters",
            "is required: 1 to 4,096",
        ),
        (
            TrainSpec(network=Network(convolutions=[Convolution(filters=1, kernel_size=65)])),
            "job.spec.train.network.convolutions[0].kernel_size",
            "1 to 64",
        ),
        (
            TrainSpec(network=Network(dense=[Dense(units=5), Dense(units=-5)])),
            "job.spec.train.network.dense[1].units",
            "1 to 65,536",
        ),
        (
            TrainSpec(network=Network(dense=[Dense(units=5, activation=99)])),  # type: ignore[arg-type]
            "job.spec.train.network.dense[0].activation",
            "unknown value 99",
        ),
        (
            TrainSpec(network=Network(dense=[Dense(units=65_536)] * 2)),
            "job.spec.train.network",
            "at most 200,000,000 parameters",
        ),
        (
            TrainSpec(network=Network(convolutions=[Convolution(filters=4096, kernel_size=1)]), batch_size=8192),
            "job.spec.train.batch_size",
            "do not fit in memory",
        ),
        (
            TrainSpec(network=Network(dense=[Dense(units=1)] * 65)),
            "job.spec.train.network.dense",
            "at most 64 items, not 65",
        ),
    ],
)
def test_training_specs_that_cannot_be_right(plan: Planner, spec: TrainSpec, field: str, allowed: str) -> None:
    violations = refused(plan, JobSpec(train=spec))
    assert list(violations) == [field]
    assert allowed in violations[field]


def test_all_violations_are_reported_at_once(plan: Planner) -> None:
    spec = TrainSpec(batch_size=0, iterations=-1, network=Network(convolutions=[Convolution(), Convolution()]))
    assert set(refused(plan, JobSpec(train=spec))) == {
        "job.spec.train.batch_size",
        "job.spec.train.iterations",
        "job.spec.train.network.convolutions[0].filters",
        "job.spec.train.network.convolutions[1].filters",
    }


def test_broken_rules_and_what_does_not_fit_the_model_are_reported_together(
    connection: redis.Redis, model: str
) -> None:
    selections = [LayerSelection(name="conv9"), LayerSelection(name="conv1", list=FeatureList(indices=[-1]))]
    spec = VisualizeSpec(model=model, iterations=0, selections=selections, seed=3)
    spec.MergeFromString(b"\xf8\x7f\x01")  # a field that does not exist
    request = creating(spec, "ü", priority=9)
    with pytest.raises(InvalidRequestError) as caught:
        plan_job(request, ModelStore(connection))
    assert {violation.field for violation in caught.value.violations} == {
        "request_id",
        "job.priority",
        "job.spec.visualize",
        "job.spec.visualize.iterations",
        "job.spec.visualize.selections[0].name",
        "job.spec.visualize.selections[1].list.indices[0]",
    }


def test_what_is_wrong_is_reported_before_what_is_missing(plan: Planner) -> None:
    assert list(refused(plan, JobSpec(evaluate=EvaluateSpec(model="models/none", batch_size=0)))) == [
        "job.spec.evaluate.batch_size"
    ]
    assert list(refused(plan, JobSpec(train=TrainSpec(dataset="datasets/none", iterations=-1)))) == [
        "job.spec.train.iterations"
    ]


def test_a_name_that_breaks_a_rule_is_not_looked_for(plan: Planner) -> None:
    for spec in (TrainSpec(continue_from="models/A"), TrainSpec(dataset="mnist")):
        (field,) = refused(plan, JobSpec(train=spec))
        assert field in {"job.spec.train.continue_from", "job.spec.train.dataset"}


def test_unknown_resources_are_not_found(plan: Planner) -> None:
    with pytest.raises(NotFoundError, match=r"datasets/cifar.*datasets/mnist"):
        plan(JobSpec(train=TrainSpec(dataset="datasets/cifar")))
    with pytest.raises(NotFoundError, match="models/none"):
        plan(JobSpec(evaluate=EvaluateSpec(model="models/none")))


def test_a_model_is_required_and_well_formed(plan: Planner) -> None:
    assert "required" in refused(plan, JobSpec(evaluate=EvaluateSpec()))["job.spec.evaluate.model"]
    assert "required" in refused(plan, JobSpec(train=TrainSpec(continue_from="")))["job.spec.train.continue_from"]
    assert "models/MODEL" in refused(plan, JobSpec(visualize=VisualizeSpec(model="x")))["job.spec.visualize.model"]
    assert list(refused(plan, JobSpec())) == ["job.spec.kind"]


def test_continuing_keeps_network_and_dataset(plan: Planner, model: str) -> None:
    planned = plan(JobSpec(train=TrainSpec(continue_from=model, iterations=5)))
    assert planned.needs == model
    assert planned.model is not None
    assert planned.model.lineage.parent == model
    assert len(planned.model.layers) == 7
    assert effective(planned).train.WhichOneof("architecture") == "continue_from"
    violations = refused(plan, JobSpec(train=TrainSpec(continue_from=model, dataset="datasets/x")))
    assert set(violations) == {"job.spec.train.dataset"}


def test_an_id_may_be_chosen_for_the_model(plan: Planner) -> None:
    assert effective(plan(JobSpec(train=TrainSpec(model_id="my-net_2")))).train.model_id == "my-net_2"
    for bad in ("My", "models/x", "-x", "x" * 65, "x y"):
        assert set(refused(plan, JobSpec(train=TrainSpec(model_id=bad)))) == {"job.spec.train.model_id"}


def test_evaluation_defaults_and_limits(plan: Planner, model: str) -> None:
    evaluate = effective(plan(JobSpec(evaluate=EvaluateSpec(model=model)))).evaluate
    assert (evaluate.split, evaluate.batch_size, evaluate.max_errors) == ("test", 256, 9)
    bad = EvaluateSpec(model=model, split="exam", batch_size=0, max_errors=1001)
    violations = refused(plan, JobSpec(evaluate=bad))
    assert set(violations) == {
        "job.spec.evaluate.split",
        "job.spec.evaluate.batch_size",
        "job.spec.evaluate.max_errors",
    }
    assert "train, validation, test" in violations["job.spec.evaluate.split"]


def test_an_evaluation_batch_must_fit_in_memory(connection: redis.Redis, plan: Planner) -> None:
    wide = Network(convolutions=[Convolution(filters=4096, kernel_size=1)])
    planned = plan(JobSpec(train=TrainSpec(network=wide)))
    job, _ = JobStore(connection).create(planned.spec, request_digest="d", model=planned.model)
    faults = refused(plan, JobSpec(evaluate=EvaluateSpec(model=job.model, batch_size=8192)))
    assert "do not fit in memory" in faults["job.spec.evaluate.batch_size"]


def selected(plan: Planner, model: str, *selections: LayerSelection) -> dict[str, list[int]]:
    planned = plan(JobSpec(visualize=VisualizeSpec(model=model, selections=selections)))
    return {selection.name: list(selection.list.indices) for selection in effective(planned).visualize.selections}


def test_everything_is_visualized_by_default(plan: Planner, model: str) -> None:
    assert selected(plan, model) == {
        "conv1": list(range(16)),
        "conv2": list(range(36)),
        "dense1": list(range(128)),
        "logits": list(range(10)),
    }


def test_selections_are_completed_and_merged(plan: Planner, model: str) -> None:
    assert selected(
        plan,
        model,
        LayerSelection(convolution=1, range=FeatureRange(start=2, stop=5)),
        LayerSelection(name="logits"),
        LayerSelection(name="conv2", list=FeatureList(indices=[9, 3, 9])),
    ) == {"conv2": [2, 3, 4, 9], "logits": list(range(10))}


@pytest.mark.parametrize(
    ("selection", "field", "allowed"),
    [
        (LayerSelection(name="conv3"), "name", "'conv3' is not a layer of the model; allowed: conv1, conv2, dense1"),
        (LayerSelection(name="pool1"), "name", "'pool1' has no features;"),
        (LayerSelection(convolution=2), "convolution", "2 is not the index of a convolution; allowed: 0 to 1"),
        (LayerSelection(convolution=-1), "convolution", "at least 0"),
        (LayerSelection(), "layer", "is required"),
        (LayerSelection(name="logits", list=FeatureList(indices=[3, 10])), "list.indices[1]", "allowed: 0 to 9"),
        (LayerSelection(name="logits", list=FeatureList()), "list.indices", "1 to 65,536 items, not 0"),
        (LayerSelection(name="logits", range=FeatureRange(start=-1, stop=2)), "range.start", "at least 0"),
        (LayerSelection(name="logits", range=FeatureRange(start=10, stop=12)), "range.start", "0 to 9"),
        (LayerSelection(name="logits", range=FeatureRange(start=5, stop=5)), "range.stop", "6 to 10"),
        (LayerSelection(name="logits", range=FeatureRange(start=5, stop=11)), "range.stop", "6 to 10"),
    ],
)
def test_selections_that_cannot_be_right(
    plan: Planner, model: str, selection: LayerSelection, field: str, allowed: str
) -> None:
    good = LayerSelection(name="logits")
    violations = refused(plan, JobSpec(visualize=VisualizeSpec(model=model, selections=[good, selection])))
    assert list(violations) == [f"job.spec.visualize.selections[1].{field}"]
    assert allowed in violations[f"job.spec.visualize.selections[1].{field}"]


@pytest.mark.parametrize("iterations", [0, -1, 10_001])
def test_visualization_iterations(plan: Planner, model: str, iterations: int) -> None:
    spec = JobSpec(visualize=VisualizeSpec(model=model, iterations=iterations))
    assert list(refused(plan, spec)) == ["job.spec.visualize.iterations"]


@pytest.mark.parametrize("request_id", ["x" * 129, "naïve", "tab\t"])
def test_request_ids(connection: redis.Redis, request_id: str) -> None:
    request = creating(TrainSpec(), request_id)
    with pytest.raises(InvalidRequestError) as caught:
        plan_job(request, ModelStore(connection))
    assert [violation.field for violation in caught.value.violations] == ["request_id"]


sizes = st.integers(-10, 100)
networks = st.builds(
    Network,
    convolutions=st.lists(
        st.builds(
            Convolution,
            filters=sizes,
            kernel_size=st.none() | sizes,
            pool_size=st.none() | sizes,
            activation=st.sampled_from(Activation.values()),
        ),
        max_size=5,
    ),
    dense=st.lists(st.builds(Dense, units=sizes), max_size=3),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(network=networks, batch_size=sizes, iterations=sizes, learning_rate=st.floats())
def test_a_spec_is_either_refused_by_name_or_complete(
    plan: Planner, network: Network, batch_size: int, iterations: int, learning_rate: float
) -> None:
    spec = JobSpec(
        train=TrainSpec(
            network=network, batch_size=batch_size, iterations=iterations, adam=Adam(learning_rate=learning_rate)
        )
    )
    try:
        planned = plan(spec)
    except InvalidRequestError as error:
        assert all(violation.field.startswith("job.spec.train.") for violation in error.violations)  # noqa: PT017
        return
    assert all(1 <= convolution.filters <= 4096 for convolution in effective(planned).train.network.convolutions)
    assert planned.model is not None
    assert all(size >= 1 for layer in planned.model.layers for size in layer.output_shape)
    assert planned.model.layers[-1].kind == LayerKind.LAYER_KIND_LOGITS
    assert plan(effective(planned)).spec == planned.spec  # filling in defaults twice changes nothing


def test_planning_does_not_change_the_request(plan: Planner) -> None:
    spec = JobSpec(train=TrainSpec())
    plan(spec)
    assert spec == JobSpec(train=TrainSpec())


def test_the_digest_tells_jobs_apart() -> None:
    requests = [creating(TrainSpec(seed=seed), labels={"a": label}) for seed, label in ((0, ""), (1, ""), (1, "x"))]
    assert len({request_digest(request) for request in (*requests, *requests)}) == 3


def test_a_model_of_another_shape_is_described(connection: redis.Redis, plan: Planner) -> None:
    interpretation = Interpretation(input=ModelInput(shape=[7, 7, 3]))
    described = Model(dataset="datasets/mnist", interpretation=interpretation)
    described.layers.add(
        name="block/conv", kind=LayerKind.LAYER_KIND_CONVOLUTION, feature_count=3, output_shape=[5, 5, 3]
    )
    job, _ = JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d", model=described)
    assert selected(plan, job.model) == {"block/conv": [0, 1, 2]}
