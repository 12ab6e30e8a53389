"""How a visualization is cut up: everything once, in order, in sizes that depend on the description alone."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import astuple, replace
from itertools import pairwise, product
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convscope.planning import (
    PLANNING_VERSION,
    Item,
    LayerTarget,
    ObjectiveTarget,
    OtherPlanningError,
    Segment,
    Target,
    VisualizationPlan,
    VisualizationRequest,
    check_planning,
    chunk_rows,
    estimate_seconds,
    plan_visualization,
    targets,
)
from convscope.planning.cost import Costs
from convscope.planning.parts import MAX_PARTS, PART_S, price
from support.planning_requests import FEATURES, LAYERS, objective, requests, rows, select


def wanted(request: VisualizationRequest) -> list[Item]:
    """Return every item, in order."""
    return [
        Item(target.name, feature, restart)
        for target in targets(request, LAYERS)
        for feature in target.features
        for restart in range(target.restarts)
    ]


def planned(request: VisualizationRequest, plan: VisualizationPlan) -> list[list[Item]]:
    """Return what each part computes."""
    by_number = targets(request, LAYERS)
    return [
        [
            Item(by_number[segment.target].name, feature, number - by_number[segment.target].items(feature).start)
            for segment in part
            for feature, run in zip(
                segment.features(by_number[segment.target]), segment.runs(by_number[segment.target]), strict=True
            )
            for number in run
        ]
        for part in plan.parts
    ]


def chunks(target: Target, features: Iterable[int], restarts: Iterable[int] = range(1000)) -> set[int]:
    """Return the chunks that have ascents of features, counted one by one."""
    return {
        (feature * target.restarts + restart) // target.rows
        for feature in features
        for restart in restarts
        if restart < target.restarts
    }


def small(request: VisualizationRequest) -> VisualizationRequest:
    """Return the same request with less to count."""
    return replace(request, layers=tuple(replace(layer, features=layer.features[:3]) for layer in request.layers))


@given(requests())
def test_parts_have_everything_once_and_in_order(request: VisualizationRequest) -> None:
    request = small(request)
    parts = planned(request, plan_visualization(request, LAYERS))
    assert [item for part in parts for item in part] == wanted(request)
    assert all(parts) or not wanted(request)
    assert 1 <= len(parts) <= MAX_PARTS


@given(requests(), st.sampled_from([0.05, 0.5, PART_S, 30.0]))
def test_a_chunk_is_not_computed_twice_for_the_sake_of_a_feature(request: VisualizationRequest, seconds: float) -> None:
    request = small(request)
    by_name = {target.name: target for target in targets(request, LAYERS)}
    counted = Counter(
        (name, chunk)
        for part in planned(request, plan_visualization(request, LAYERS, seconds))
        for name, chunk in {
            (item.target, chunk)
            for item in part
            for chunk in chunks(by_name[item.target], [item.feature], [item.restart])
        }
    )
    for name, target in by_name.items():
        twice = {chunk for (other, chunk), times in counted.items() if other == name and times > 1}
        dear = -(-target.restarts // target.rows) * Costs(request.iterations).chunk(target) > seconds
        if target.restarts == 1 or (dear and target.rows < target.restarts):
            assert not twice


@given(requests(), st.sampled_from([0.05, 0.5, PART_S, 30.0]))
def test_parts_cost_little_more_than_aimed_at(request: VisualizationRequest, seconds: float) -> None:
    request = small(request)
    costs, all_targets = Costs(request.iterations), targets(request, LAYERS)
    once = sum(costs.compiling(target) for target in all_targets)
    aimed = max(seconds, 1.2 * estimate_seconds(request, LAYERS) / MAX_PARTS)
    # A chunk that is dearer than a part cannot be parted, nor can a few features that share all of their chunks.
    indivisible = max((2 * costs.chunk(target) for target in all_targets), default=0.0)
    for part in plan_visualization(request, LAYERS, seconds).parts:
        cost = sum(
            price(target, [segment for segment in part if segment.target == number], costs)
            for number, target in enumerate(all_targets)
        )
        assert cost <= 1.5 * max(1.5 * aimed, indivisible) + once + 1e-6


@pytest.mark.parametrize("workers", [2, 3, 4])
@pytest.mark.parametrize("restarts", [50, 200])
def test_workers_that_share_a_job_end_together(workers: int, restarts: int) -> None:
    request = VisualizationRequest(layers=tuple(map(select, FEATURES)), iterations=30, restarts=restarts)
    costs, all_targets = Costs(request.iterations), targets(request, LAYERS)
    parts = plan_visualization(request, LAYERS).parts
    prices = [sum(price(all_targets[segment.target], [segment], costs) for segment in part) for part in parts]
    ends = [0.0] * workers
    for seconds in prices:  # the worker that is free first takes the next
        ends[ends.index(min(ends))] += seconds
    assert max(ends) - sum(prices) / workers < PART_S / 3


@pytest.mark.parametrize(("restarts", "iterations"), [(1000, 1000), (50, 10_000)])
def test_the_restarts_of_a_long_objective_are_parted(restarts: int, iterations: int) -> None:
    request = VisualizationRequest(objectives=(objective("dense1"),), iterations=iterations, restarts=restarts)
    (target,), plan, costs = targets(request, LAYERS), plan_visualization(request, LAYERS), Costs(iterations)
    assert len(plan.parts) > 4
    for part in plan.parts:
        (segment,) = part
        assert segment.first % target.rows == 0
        assert price(target, part, costs) <= max(1.5 * PART_S, costs.chunk(target))


def test_diverse_restarts_are_not_parted() -> None:
    diverse = objective("dense1", diverse=True)
    request = VisualizationRequest(objectives=(diverse,), iterations=10_000, restarts=16)
    assert plan_visualization(request, LAYERS).parts == ((Segment(0, 0, 1),),)


def test_a_feature_that_is_no_dearer_than_a_part_is_not_parted() -> None:
    request = VisualizationRequest(layers=(select("conv2"),), iterations=30, restarts=50)
    assert {segment.restarts for part in plan_visualization(request, LAYERS).parts for segment in part} == {None}


@given(requests())
def test_chunks_are_counted_right(request: VisualizationRequest) -> None:
    for target in targets(request, LAYERS):
        assert target.chunks_of(target.features) == len(chunks(target, list(target.features)))


def test_plans_stay_what_they_are() -> None:
    digest = hashlib.sha256()
    for restarts, iterations, seconds in product((1, 3, 50, 203), (1, 30, 3_000), (0.05, PART_S)):
        request = VisualizationRequest(
            layers=(select("conv1"), select("conv2", range(0, 36, 5)), select("dense1")),
            objectives=(objective("conv1", "dense1"),),
            iterations=iterations,
            restarts=restarts,
        )
        plan = plan_visualization(request, LAYERS, seconds)
        parts = [[astuple(segment) for segment in part] for part in plan.parts]
        digest.update(repr([plan.rows, parts]).encode())
    # Services and executors agree on plans by their version alone: where this changes, PLANNING_VERSION must.
    assert PLANNING_VERSION == 1
    assert digest.hexdigest() == "bfa5f0e2cdcd37d4ae855372c5dbae15fce584322f743ddcbda1bdebce934418"


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
    request = VisualizationRequest(layers=tuple(map(select, FEATURES)), iterations=128)
    assert rows(request) == (8, 9, 16, 5)
    assert rows(replace(request, restarts=50)) == (16, 16, 16, 16)


def test_chunks_of_long_ascents_are_short() -> None:
    request = VisualizationRequest(layers=(select("conv2"),), iterations=3_000, restarts=16)
    (target,) = targets(request, LAYERS)
    assert 4 < target.rows < 16
    assert Costs(3_000).chunk(target) < 1.5 * PART_S
    assert rows(replace(request, iterations=10_000)) == (4,)


def test_the_tutorials_features_are_one_part() -> None:
    request = VisualizationRequest(layers=tuple(map(select, ("conv1", "conv2", "logits"))), iterations=30)
    assert len(plan_visualization(request, LAYERS).parts) == 1
    assert 3 <= len(plan_visualization(replace(request, restarts=50), LAYERS).parts) <= 8


def test_parts_do_not_grow_without_end() -> None:
    request = VisualizationRequest(layers=(select("dense1"),), iterations=10_000, restarts=200)
    plan = plan_visualization(request, LAYERS)
    assert MAX_PARTS / 2 <= len(plan.parts) <= MAX_PARTS
    assert [segment for part in planned(request, plan) for segment in part] == wanted(request)


def test_what_is_deeper_or_longer_costs_more() -> None:
    def seconds(layer: str, iterations: int = 30, restarts: int = 1) -> float:
        target = select(layer, range(8))
        request = VisualizationRequest(layers=(target,), iterations=iterations, restarts=restarts)
        return estimate_seconds(request, LAYERS)

    for cheap, dear in pairwise([seconds("conv1"), seconds("conv2"), seconds("conv2", 300), seconds("conv2", 300, 20)]):
        assert cheap < dear


def test_an_objective_goes_as_deep_as_its_deepest_term() -> None:
    mine, other = objective("dense1", "conv1", name="mine"), objective("conv1", name="other")
    request = VisualizationRequest(objectives=(mine, other), iterations=30, restarts=3)
    first, second = targets(request, LAYERS)
    assert (first.name, first.depth, first.features) == ("mine", 6, (0,))
    assert (second.name, second.depth) == ("other", 1)


@pytest.mark.parametrize("restarts", [2, 7, 16])
def test_diverse_restarts_are_one_chunk(restarts: int) -> None:
    diverse = objective("conv2", diverse=True)
    request = VisualizationRequest(objectives=(diverse,), iterations=30, restarts=restarts)
    (target,) = targets(request, LAYERS)
    assert target.rows == restarts
    assert target.chunks_of(target.features) == 1


def test_a_layer_that_the_model_lacks_is_named() -> None:
    for request in (
        VisualizationRequest(layers=(LayerTarget(name="conv9", features=(0,)),), iterations=30),
        VisualizationRequest(objectives=(ObjectiveTarget(name="mine", layers=("conv9",)),), iterations=30),
    ):
        with pytest.raises(ValueError, match="'conv9'"):
            plan_visualization(request, LAYERS)
