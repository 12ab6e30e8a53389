"""How a visualization is cut up: everything once, in order, in sizes that depend on the description alone."""

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convscope.planning import (
    PLANNING_VERSION,
    Segment,
    Target,
    VisualizationPlan,
    check_planning,
    chunk_rows,
    estimate_seconds,
    plan_visualization,
    targets,
)
from convscope.planning.cost import Costs
from convscope.planning.errors import OtherPlanningError
from convscope.planning.parts import MAX_PARTS, PART_S, price
from convscope.v1.objective_pb2 import LayerTerm, Objective, Term
from convscope.v1.visualize_pb2 import FeatureList, LayerSelection, VisualizeSpec
from support.planning_specs import FEATURES, LAYERS, objective, rows, select, specs

# Target, feature and restart of an ascent.
Item = tuple[int, int, int]


def wanted(spec: VisualizeSpec) -> list[Item]:
    """Everything, in order."""
    return [
        (number, feature, restart)
        for number, each in enumerate(targets(spec, LAYERS))
        for feature in each.features
        for restart in range(each.restarts)
    ]


def planned(spec: VisualizeSpec, plan: VisualizationPlan) -> list[list[Item]]:
    """What each part computes."""
    found = targets(spec, LAYERS)
    return [
        [
            (segment.target, feature, item - found[segment.target].items(feature).start)
            for segment in part
            for feature, run in zip(
                segment.features(found[segment.target]), segment.runs(found[segment.target]), strict=True
            )
            for item in run
        ]
        for part in plan.parts
    ]


def chunks(target: Target, features: Iterable[int], restarts: Iterable[int] = range(1000)) -> set[int]:
    """The chunks that have ascents of features, counted one by one."""
    return {
        (feature * target.restarts + restart) // target.rows
        for feature in features
        for restart in restarts
        if restart < target.restarts
    }


def small(spec: VisualizeSpec) -> VisualizeSpec:
    """The same with less to count."""
    for selection in spec.selections:
        del selection.list.indices[3:]
    return spec


@given(specs())
def test_parts_have_everything_once_and_in_order(spec: VisualizeSpec) -> None:
    parts = planned(small(spec), plan_visualization(spec, LAYERS))
    assert [each for part in parts for each in part] == wanted(spec)
    assert all(parts) or not wanted(spec)
    assert 1 <= len(parts) <= MAX_PARTS


@given(specs(), st.sampled_from([0.05, 0.5, PART_S, 30.0]))
def test_a_chunk_is_not_computed_twice_for_the_sake_of_a_feature(spec: VisualizeSpec, seconds: float) -> None:
    found = targets(small(spec), LAYERS)
    counted = Counter(
        (number, chunk)
        for part in planned(spec, plan_visualization(spec, LAYERS, seconds))
        for number, chunk in {
            (number, chunk)
            for number, feature, restart in part
            for chunk in chunks(found[number], [feature], [restart])
        }
    )
    for number, target in enumerate(found):
        twice = {chunk for (each, chunk), times in counted.items() if each == number and times > 1}
        dear = -(-target.restarts // target.rows) * Costs(spec.iterations).chunk(target) > seconds
        if target.restarts == 1 or (dear and target.rows < target.restarts):
            assert not twice


@given(specs(), st.sampled_from([0.05, 0.5, PART_S, 30.0]))
def test_parts_cost_little_more_than_aimed_at(spec: VisualizeSpec, seconds: float) -> None:
    costs, found = Costs(spec.iterations), targets(small(spec), LAYERS)
    once = sum(costs.compiling(each) for each in found)
    aimed = max(seconds, 1.2 * estimate_seconds(spec, LAYERS) / MAX_PARTS)
    # A chunk that is dearer than a part cannot be parted, nor can a few features that share all of their chunks.
    indivisible = max((2 * costs.chunk(each) for each in found), default=0.0)
    for part in plan_visualization(spec, LAYERS, seconds).parts:
        cost = sum(
            price(target, [each for each in part if each.target == number], costs)
            for number, target in enumerate(found)
        )
        assert cost <= 1.5 * max(1.5 * aimed, indivisible) + once + 1e-6


@pytest.mark.parametrize("workers", [2, 3, 4])
@pytest.mark.parametrize("restarts", [50, 200])
def test_workers_that_share_a_job_end_together(workers: int, restarts: int) -> None:
    spec = VisualizeSpec(selections=[select(name) for name in FEATURES], iterations=30, restarts=restarts)
    costs, found = Costs(spec.iterations), targets(spec, LAYERS)
    parts = plan_visualization(spec, LAYERS).parts
    prices = [sum(price(found[segment.target], [segment], costs) for segment in part) for part in parts]
    ends = [0.0] * workers
    for each in prices:  # whoever is free first takes the next
        ends[ends.index(min(ends))] += each
    assert max(ends) - sum(prices) / workers < PART_S / 3


@pytest.mark.parametrize(("restarts", "iterations"), [(1000, 1000), (50, 10_000)])
def test_the_restarts_of_a_long_objective_are_parted(restarts: int, iterations: int) -> None:
    spec = VisualizeSpec(objectives=[objective("dense1")], iterations=iterations, restarts=restarts)
    (target,), plan, costs = targets(spec, LAYERS), plan_visualization(spec, LAYERS), Costs(iterations)
    assert len(plan.parts) > 4
    for part in plan.parts:
        (segment,) = part
        assert segment.first % target.rows == 0
        assert price(target, part, costs) <= max(1.5 * PART_S, costs.chunk(target))


def test_diverse_restarts_are_not_parted() -> None:
    spec = VisualizeSpec(objectives=[objective("dense1", diverse=True)], iterations=10_000, restarts=16)
    assert plan_visualization(spec, LAYERS).parts == ((Segment(0, 0, 1),),)


def test_a_feature_that_is_no_dearer_than_a_part_is_not_parted() -> None:
    spec = VisualizeSpec(selections=[select("conv2")], iterations=30, restarts=50)
    assert {each.restarts for part in plan_visualization(spec, LAYERS).parts for each in part} == {None}


@given(specs())
def test_chunks_are_counted_right(spec: VisualizeSpec) -> None:
    for target in targets(spec, LAYERS):
        assert target.chunks_of(target.features) == len(chunks(target, list(target.features)))


@given(specs(), st.randoms())
def test_the_order_of_features_does_not_matter(spec: VisualizeSpec, random: object) -> None:
    mixed = VisualizeSpec()
    mixed.CopyFrom(spec)
    for selection in mixed.selections:
        indices = list(selection.list.indices) * 2
        random.shuffle(indices)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
        selection.list.indices[:] = indices
    assert plan_visualization(mixed, LAYERS) == plan_visualization(spec, LAYERS)


@given(specs())
def test_a_plan_is_the_same_wherever_it_is_made(spec: VisualizeSpec) -> None:
    sent = VisualizeSpec.FromString(spec.SerializeToString())
    assert plan_visualization(sent, LAYERS) == plan_visualization(spec, LAYERS)


def test_parts_of_another_planning_are_not_guessed_at() -> None:
    check_planning(PLANNING_VERSION)
    for version in (PLANNING_VERSION - 1, PLANNING_VERSION + 1):
        with pytest.raises(OtherPlanningError, match=f"version {version}"):
            check_planning(version)


@given(st.integers(1, 10**9), st.integers(1, 10**6), st.floats(0, 1e15))
def test_chunks_are_even_and_never_of_one(values: int, items: int, flops: float) -> None:
    rows = chunk_rows(values, items, flops)
    assert 2 <= rows <= 16
    assert rows == 2 or rows * values <= 64 * 2**20
    assert rows <= 4 or rows * flops <= 3e11
    count = -(-items // rows)
    assert count * rows - items < 2 * rows  # two chunks at most are not full


def test_the_tutorials_chunks_stay_what_they_are() -> None:
    values = sum(prod(layer.output_shape) for layer in LAYERS)
    assert [chunk_rows(values, features) for features in (16, 36, 128, 10)] == [8, 9, 16, 5]
    spec = VisualizeSpec(selections=[select(name) for name in FEATURES], iterations=128)
    assert rows(spec) == (8, 9, 16, 5)
    spec.restarts = 50
    assert rows(spec) == (16, 16, 16, 16)


def test_chunks_of_long_ascents_are_short() -> None:
    spec = VisualizeSpec(selections=[select("conv2")], iterations=3_000, restarts=16)
    (target,) = targets(spec, LAYERS)
    assert 4 < target.rows < 16
    assert Costs(3_000).chunk(target) < 1.5 * PART_S
    spec.iterations = 10_000
    assert rows(spec) == (4,)


def test_the_tutorials_features_are_one_part() -> None:
    spec = VisualizeSpec(selections=[select(name) for name in ("conv1", "conv2", "logits")], iterations=30, restarts=1)
    assert len(plan_visualization(spec, LAYERS).parts) == 1
    spec.restarts = 50
    assert 3 <= len(plan_visualization(spec, LAYERS).parts) <= 8


def test_parts_do_not_grow_without_end() -> None:
    spec = VisualizeSpec(selections=[select("dense1")], iterations=10_000, restarts=200)
    plan = plan_visualization(spec, LAYERS)
    assert MAX_PARTS / 2 <= len(plan.parts) <= MAX_PARTS
    assert [each for part in planned(spec, plan) for each in part] == wanted(spec)


def test_what_is_deeper_or_longer_costs_more() -> None:
    def seconds(layer: str, iterations: int = 30, restarts: int = 1) -> float:
        spec = VisualizeSpec(selections=[select(layer, range(8))], iterations=iterations, restarts=restarts)
        return estimate_seconds(spec, LAYERS)

    for cheap, dear in pairwise([seconds("conv1"), seconds("conv2"), seconds("conv2", 300), seconds("conv2", 300, 20)]):
        assert cheap < dear


def test_an_objective_goes_as_deep_as_its_deepest_term() -> None:
    spec = VisualizeSpec(objectives=[objective("dense1", "conv1", name="mine"), objective("conv1")], restarts=3)
    first, second = targets(spec, LAYERS)
    assert (first.name, first.depth, first.features, first.objective) == ("mine", 6, (0,), 0)
    assert (second.name, second.depth) == ("objectives[1]", 1)


@pytest.mark.parametrize("restarts", [2, 7, 16])
def test_diverse_restarts_are_one_chunk(restarts: int) -> None:
    spec = VisualizeSpec(objectives=[objective("conv2", diverse=True)], restarts=restarts)
    (target,) = targets(spec, LAYERS)
    assert target.rows == restarts
    assert target.chunks_of(target.features) == 1


def test_a_layer_that_the_model_lacks_is_named() -> None:
    for spec in (
        VisualizeSpec(selections=[LayerSelection(name="conv9", list=FeatureList(indices=[0]))]),
        VisualizeSpec(objectives=[Objective(terms=[Term(layer=LayerTerm(layer="conv9"))])]),
    ):
        with pytest.raises(ValueError, match="'conv9'"):
            plan_visualization(spec, LAYERS)
