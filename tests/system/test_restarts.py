"""Restarts in several parts: the same images as from one."""

import pytest
import redis

from convscope.engine.models.keras_files import model_from_bytes
from convscope.engine.visualization import Image as ComputedImage
from convscope.engine.visualization import Visualizer
from convscope.planning import plan_visualization
from convscope.store import layer_shapes, visualization_request
from convscope.store.redis.keys import key
from convscope.v1.feature_pb2 import Feature
from convscope.v1.jobs_pb2 import CancelJobRequest
from convscope.v1.models_pb2 import ExportModelRequest, GetModelRequest
from convscope.v1.objective_pb2 import Objective, Term
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.visualize_pb2 import FeatureList, Image, LayerSelection, Restarts, VisualizeSpec
from convscope.worker.executor import convert
from convscope.worker.executor.convert_objective import objective
from support.api import Api
from support.many_parts import create_parts, images
from support.stack import Stack
from support.subjects import subject, unnamed


@pytest.fixture(scope="module")
def model(pair_api: Api) -> str:
    return pair_api.finish(pair_api.create(TrainSpec(iterations=50))).model


def test_restarts_in_parts_are_those_of_one_part(pair: Stack, pair_api: Api, model: str) -> None:
    selection = LayerSelection(name="conv2", list=FeatureList(indices=[1, 2, 9]))
    base = VisualizeSpec(
        model=model, selections=[selection], iterations=10, restarts=5, keep=Restarts.RESTARTS_ALL, recompute=True
    )
    whole = pair_api.finish(pair_api.create(base))
    many = create_parts(pair, pair_api, whole.effective_spec.visualize, 0.01)
    assert (whole.estimate.part_count, many.estimate.part_count) == (1, 3)
    expected, parted = (
        {
            (event.image.feature.index, event.image.restart): unnamed(event.image)
            for event in images(pair_api.watch(job))
        }
        for job in (whole, many)
    )
    assert len(expected) == 15
    assert parted == expected


@pytest.mark.parametrize("keep", [Restarts.RESTARTS_BEST, Restarts.RESTARTS_ALL])
def test_restarts_of_one_feature_in_parts_are_those_of_one_process(
    pair: Stack, pair_api: Api, model: str, keep: Restarts.ValueType
) -> None:
    conv2 = LayerSelection(name="conv2", list=FeatureList(indices=[1, 2]))
    logit = Objective(terms=[Term(feature=Feature(layer="logits", index=2))])
    spec = VisualizeSpec(
        model=model, selections=[conv2], objectives=[logit], iterations=5, restarts=20, keep=keep, recompute=True
    )
    job = create_parts(pair, pair_api, validated(pair_api, spec), 0.01)
    assert job.estimate.part_count == 5  # three chunks of the features, two of the objective
    ended = pair_api.finish(job)
    assert ended.ended_part_count == 5, ended.failure.message
    ready = images(pair_api.watch(job))
    computed = {(*subject(event.image), event.image.restart): event.image for event in ready}
    for image in computed.values():
        assert image.cache_key
        for known in ("name", "cache_key", image.WhichOneof("subject") or ""):
            image.ClearField(known)  # type: ignore[arg-type]  # its own fields
    expected = in_one_process(pair_api, job.effective_spec.visualize)
    assert len(expected) == ended.result.visualize.image_count == (60 if keep == Restarts.RESTARTS_ALL else 3)
    assert computed == expected
    with redis.Redis.from_url(pair.redis_url) as connection:
        job_id = job.name.removeprefix("jobs/")
        assert connection.exists(key("candidates", job_id)) == 0
        assert connection.scard(key("job_blobs", job_id)) == len(expected) + 1  # and the result


def validated(api: Api, spec: VisualizeSpec) -> VisualizeSpec:
    """Return the spec with every default filled in, as that of a job."""
    job = api.create(spec)
    api.jobs.CancelJob(CancelJobRequest(name=job.name))
    return job.effective_spec.visualize


def in_one_process(api: Api, spec: VisualizeSpec) -> dict[tuple[str, int, int], Image]:
    """Return what this process computes, all at once, by layer, feature and restart."""
    file = b"".join(piece.data for piece in api.models.ExportModel(ExportModelRequest(name=spec.model)))
    layers = api.models.GetModel(GetModelRequest(name=spec.model)).layers
    visualizer, settings = Visualizer(model_from_bytes(file)), convert.visualize_settings(spec)
    rows = plan_visualization(visualization_request(spec), layer_shapes(layers)).rows
    images: list[ComputedImage] = []
    for selection, count in zip(spec.selections, rows, strict=False):
        visualizer.run(selection.name, selection.list.indices, settings, rows=count, ready=images.append)
    (what,) = spec.objectives
    visualizer.run_objective("objectives[0]", objective(what), settings, rows=rows[-1], ready=images.append)
    return {(image.item.target, image.item.feature, image.item.restart): convert.image(image) for image in images}
