"""Cache keys: what decides an image decides its key, and nothing else does."""

from dataclasses import replace

import pytest
from hypothesis import given

from convscope.planning import CacheKeys, ImageOrder, VisualizationRequest, cache_keys
from convscope.store import visualization_request
from convscope.v1.objective_pb2 import LayerTerm, Objective, Term
from convscope.v1.render_pb2 import AdamStep, Render
from convscope.v1.visualize_pb2 import FeatureList, LayerSelection, Restarts, VisualizeSpec
from support.planning_requests import objective, requests, rows, select

SHA256 = "0" * 64


@given(requests())
def test_every_image_has_a_key_of_its_own(request: VisualizationRequest) -> None:
    request = replace(request, restarts=min(request.restarts, 3))
    order, keys = ImageOrder(request), CacheKeys(request, SHA256, rows(request), interpretation=b"")
    assert len({keys.of(order.item(number)) for number in range(order.total)}) == order.total


def test_what_decides_an_image_decides_its_key() -> None:
    base = VisualizationRequest(layers=(select("conv1"),), iterations=30, restarts=2)
    changes = [
        replace(base, iterations=31),
        replace(base, restarts=3),
        replace(base, keep_all=True),
        replace(base, settings=b"others"),
    ]
    keys = {key(request) for request in (base, *changes)}
    keys |= {key(base, sha256="1" * 64), key(base, interpretation=b"white is 255")}
    assert len(keys | {key(base, rows=(8,)), key(base, feature=1)}) == len(changes) + 5


def test_another_version_of_the_engine_has_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    request = VisualizationRequest(layers=(select("conv1"),), iterations=30)
    before = key(request)
    monkeypatch.setattr(cache_keys, "ENGINE_VERSION", cache_keys.ENGINE_VERSION + 1)
    assert key(request) != before


def test_what_an_objective_is_decides_its_key() -> None:
    one, other = (
        VisualizationRequest(objectives=(replace(objective("conv1"), content=content),), iterations=30)
        for content in (b"one", b"other")
    )
    assert key(one) != key(other)


def test_what_does_not_decide_an_image_does_not_decide_its_key() -> None:
    base = VisualizationRequest(layers=(select("conv1"),), iterations=30)
    other = VisualizationRequest(
        layers=(select("dense1"), select("conv1", [3])), objectives=(objective("conv1"),), iterations=30
    )
    assert key(base, feature=3, rows=(8,)) == key(other, feature=3, number=128, rows=(16, 8, 2))


def test_settings_of_a_spec_decide_keys() -> None:
    base = VisualizeSpec(selections=[LayerSelection(name="conv1", list=FeatureList(indices=[0]))], iterations=30)
    changes = [
        VisualizeSpec(iterations=31),
        VisualizeSpec(seed=1),
        VisualizeSpec(trace=True),
        VisualizeSpec(frames=3),
        VisualizeSpec(restarts=3),
        VisualizeSpec(keep=Restarts.RESTARTS_ALL),
        VisualizeSpec(render=Render(adam=AdamStep(learning_rate=1.0))),
    ]
    others = [
        VisualizeSpec(model="models/x"),
        VisualizeSpec(recompute=True),
        VisualizeSpec(objectives=[Objective(terms=[Term(layer=LayerTerm(layer="conv1"))])]),
    ]
    expected = key_of(base)
    assert len({expected, *(key_of(base, change) for change in changes)}) == len(changes) + 1
    assert {key_of(base, change) for change in others} == {expected}


def key_of(base: VisualizeSpec, change: VisualizeSpec | None = None) -> str:
    spec = VisualizeSpec()
    spec.CopyFrom(base)
    spec.MergeFrom(change or VisualizeSpec())
    request = visualization_request(spec)
    return key(request, rows=(8,) * len(request.targets))


def key(
    request: VisualizationRequest,
    *,
    sha256: str = SHA256,
    rows: tuple[int, ...] = (16,),
    feature: int = 0,
    number: int | None = None,
    interpretation: bytes = b"",
) -> str:
    order = ImageOrder(request)
    item = order.item(feature * order.per_feature if number is None else number)
    assert item.feature == feature
    return CacheKeys(request, sha256, rows, interpretation=interpretation).of(item)
