"""The tutorial through the service, on the real MNIST: figures that are right, and the same each time."""

from collections.abc import Sequence

import numpy as np
import pytest

from convscope.v1.evaluate_pb2 import EvaluateSpec
from convscope.v1.evaluations_pb2 import ListExamplesRequest
from convscope.v1.jobs_pb2 import Job, JobState, WatchJobRequest
from convscope.v1.models_pb2 import ExportModelRequest, GetModelRequest, ListTrainReportsRequest, Model, ModelState
from convscope.v1.tensor_pb2 import ElementType, Tensor
from convscope.v1.train_pb2 import Convolution, Dense, Network, Precision, TrainProgress, TrainSpec
from convscope.v1.visualize_pb2 import FeatureList, FeatureRange, Image, LayerSelection, VisualizeSpec
from support.api import Api
from support.subjects import subject

DTYPES = {
    ElementType.ELEMENT_TYPE_UINT8: np.uint8,
    ElementType.ELEMENT_TYPE_INT32: np.int32,
    ElementType.ELEMENT_TYPE_INT64: np.int64,
    ElementType.ELEMENT_TYPE_FLOAT32: np.float32,
}


def array(tensor: Tensor) -> np.ndarray:
    return np.frombuffer(tensor.data, DTYPES[tensor.element_type]).reshape(tuple(tensor.shape))


def get_model(api: Api, name: str) -> Model:
    model = api.models.GetModel(GetModelRequest(name=name))
    assert isinstance(model, Model)
    return model


def reports(api: Api, model: Model) -> Sequence[TrainProgress]:
    curve: Sequence[TrainProgress] = api.models.ListTrainReports(ListTrainReportsRequest(parent=model.name)).reports
    return curve


def images(api: Api, spec: VisualizeSpec) -> list[Image]:
    events = [event.image_ready for event in api.watch(api.create(spec)) if event.HasField("image_ready")]
    assert [event.completed_count for event in events] == list(range(1, len(events) + 1))
    assert {event.total_count for event in events} == {len(events)}
    return [event.image for event in events]


def by_feature(images: Sequence[Image]) -> dict[tuple[str, int], Image]:
    return {subject(image): image for image in images}


@pytest.fixture(scope="module")
def trained(api: Api) -> Job:
    return api.finish(api.create(TrainSpec(iterations=400, report_interval=100, validation_interval=200)))


@pytest.fixture(scope="module")
def model(trained: Job) -> str:
    return trained.model


def test_training_reports_and_leaves_a_model(api: Api, trained: Job) -> None:
    assert trained.state == JobState.JOB_STATE_SUCCEEDED
    assert trained.result.train.step == 400
    progress = [event.train_progress for event in api.watch(trained) if event.HasField("train_progress")]
    assert [report.step for report in progress] == [1, 100, 200, 300, 400]
    assert {report.last_step for report in progress} == {400}
    assert [report.HasField("validation_accuracy") for report in progress] == [False, False, True, False, True]
    assert progress[-1].loss < 0.5 < progress[0].loss
    assert progress[-1].validation_accuracy > 0.88
    model = get_model(api, trained.model)
    assert model.state == ModelState.MODEL_STATE_READY
    assert (model.step, model.parameter_count, list(model.interpretation.input.shape)) == (400, 242_062, [28, 28, 1])
    assert list(reports(api, model)) == progress
    assert model.lineage.job == trained.name
    assert model.lineage.environment["threads"]
    exported = b"".join(piece.data for piece in api.models.ExportModel(ExportModelRequest(name=trained.model)))
    assert len(exported) == model.digest.size_bytes
    assert exported[:2] == b"PK"


def test_the_service_describes_models_as_keras_does(api: Api) -> None:
    network = Network(
        convolutions=[
            Convolution(filters=3, kernel_size=4, pool_size=3),
            Convolution(filters=5, kernel_size=1, pool_size=1),
            Convolution(filters=2, pool_size=2),
        ],
        dense=[Dense(units=7), Dense(units=4)],
    )
    job = api.create(TrainSpec(network=network, iterations=0))
    foreseen = list(get_model(api, job.model).layers)
    api.finish(job)
    assert list(get_model(api, job.model).layers) == foreseen
    assert [layer.name for layer in foreseen if layer.feature_count] == [
        "conv1",
        "conv2",
        "conv3",
        "dense1",
        "dense2",
        "logits",
    ]


@pytest.mark.parametrize(("split", "size"), [("test", 10_000), ("validation", 5_000), ("train", 55_000)])
def test_the_confusion_matrix_adds_up(api: Api, model: str, split: str, size: int) -> None:
    job = api.finish(api.create(EvaluateSpec(model=model, split=split, max_errors=12)))
    result = job.result.evaluate
    confusion = array(result.confusion_matrix)
    assert confusion.shape == (10, 10)
    assert confusion.sum() == result.example_count == size
    assert np.trace(confusion) == result.correct_count
    assert result.accuracy == result.correct_count / size > 0.85
    for number, scores in enumerate(result.classes):
        assert scores.class_name == str(number)
        assert scores.example_count == confusion[number].sum()
        assert scores.recall == pytest.approx(confusion[number, number] / confusion[number].sum())
        assert scores.precision == pytest.approx(confusion[number, number] / confusion[:, number].sum())
        assert scores.f1 == pytest.approx(2 * scores.precision * scores.recall / (scores.precision + scores.recall))
    errors = api.evaluations.ListExamples(ListExamplesRequest(parent=job.name)).examples
    assert len(errors) == 12
    assert [error.index for error in errors] == sorted(error.index for error in errors)
    for error in errors:
        assert error.true_class != error.predicted_class
        assert 0.1 < error.probability <= 1
        pixels = array(error.pixels)
        assert pixels.shape == (28, 28, 1)
        assert pixels.dtype == np.float32
        assert 0 <= pixels.min() < pixels.max() <= 1


def test_figures_do_not_depend_on_the_batch_size(api: Api, model: str) -> None:
    first, other = (
        api.finish(api.create(EvaluateSpec(model=model, batch_size=size))).result.evaluate for size in (256, 999)
    )
    assert first.confusion_matrix == other.confusion_matrix


def test_an_untrained_model_guesses(api: Api) -> None:
    job = api.create(TrainSpec(iterations=0))
    evaluation = api.create(EvaluateSpec(model=job.model))
    assert evaluation.state in {JobState.JOB_STATE_WAITING, JobState.JOB_STATE_QUEUED}
    result = api.finish(evaluation).result.evaluate
    assert 0.02 < result.accuracy < 0.3


def test_continuing_counts_on_and_equals_one_run(api: Api) -> None:
    first = api.create(TrainSpec(iterations=30, report_interval=20, seed=5))
    second = api.create(TrainSpec(iterations=20, report_interval=20, seed=5, continue_from=first.model))
    whole = api.create(TrainSpec(iterations=50, report_interval=20, seed=5))
    progress = [event.train_progress for event in api.watch(second) if event.HasField("train_progress")]
    assert [report.step for report in progress] == [31, 40, 50]
    api.finish(whole)
    models = [get_model(api, job.model) for job in (second, whole)]
    assert [model.step for model in models] == [50, 50]
    assert models[0].lineage.parent == first.model
    curves = [reports(api, model) for model in models]
    assert [report.step for report in curves[0]] == [1, 20, 30, 31, 40, 50]
    assert curves[0][-1].loss == curves[1][-1].loss
    confusions = [
        api.finish(api.create(EvaluateSpec(model=model.name))).result.evaluate.confusion_matrix for model in models
    ]
    assert confusions[0] == confusions[1]


def test_the_same_seed_trains_the_same_model(api: Api) -> None:
    def file(seed: int) -> str:
        job = api.create(TrainSpec(iterations=20, report_interval=5, seed=seed))
        api.finish(job)
        return get_model(api, job.model).digest.sha256

    assert file(3) == file(3) != file(4)


def test_bfloat16_trains_float32_weights(api: Api) -> None:
    job = api.create(TrainSpec(iterations=200, precision=Precision.PRECISION_BFLOAT16))
    evaluation = api.finish(api.create(EvaluateSpec(model=job.model)))
    assert evaluation.result.evaluate.accuracy > 0.85


def test_every_feature_of_every_layer_by_default(api: Api, model: str) -> None:
    by_subject = by_feature(images(api, VisualizeSpec(model=model, iterations=5)))
    sizes = {"conv1": 16, "conv2": 36, "dense1": 128, "logits": 10}
    assert set(by_subject) == {(layer, feature) for layer, size in sizes.items() for feature in range(size)}
    for image in by_subject.values():
        assert not image.HasField("trace")
        assert image.final.iteration == 5
        assert image.best.objective >= image.final.objective
        for optimized in (image.final, image.best):
            pixels = array(optimized.pixels)
            assert pixels.shape == (28, 28, 1)
            assert pixels.dtype == np.float32
            assert 0 <= pixels.min() <= pixels.max() <= 1
            assert 0 <= optimized.predicted_class <= 9
            assert 0.1 <= optimized.probability <= 1


def test_class_images_are_taken_for_their_class(api: Api, model: str) -> None:
    spec = VisualizeSpec(model=model, selections=[LayerSelection(name="logits")])
    for image in images(api, spec):
        assert image.best.predicted_class == image.feature.index
        assert image.best.probability > 0.9


def test_an_image_does_not_depend_on_what_else_is_asked_for(api: Api, model: str) -> None:
    everything = by_feature(images(api, VisualizeSpec(model=model, seed=9)))
    few = images(
        api,
        VisualizeSpec(
            model=model,
            seed=9,
            trace=True,
            selections=[
                LayerSelection(name="logits", list=FeatureList(indices=[7])),
                LayerSelection(convolution=1, range=FeatureRange(start=30, stop=33)),
                LayerSelection(name="dense1", list=FeatureList(indices=[100, 3])),
            ],
        ),
    )
    assert len(few) == 6
    for image in few:
        same = everything[subject(image)]
        assert image.final == same.final
        assert image.best == same.best
    other = images(api, VisualizeSpec(model=model, seed=10, selections=[LayerSelection(name="logits")]))
    assert all(image.final.pixels != everything[subject(image)].final.pixels for image in other)


def test_traces_tell_each_iteration_before_its_update(api: Api, model: str) -> None:
    selection = LayerSelection(name="logits", list=FeatureList(indices=[2]))
    (image,) = images(api, VisualizeSpec(model=model, iterations=10, trace=True, selections=[selection]))
    trace = image.trace
    for tensor, dtype in [
        (trace.predicted_class, np.int32),
        (trace.probability, np.float32),
        (trace.gradient_min, np.float32),
        (trace.gradient_max, np.float32),
        (trace.step_size, np.float32),
        (trace.objective, np.float32),
    ]:
        assert array(tensor).shape == (10,)
        assert array(tensor).dtype == dtype
    objective = array(trace.objective)
    assert objective[1] > objective[0]
    best = max(objective.max(), image.final.objective)
    assert image.best.objective == pytest.approx(best, rel=1e-5)
    assert (array(trace.gradient_min) < 0).all()
    assert (array(trace.gradient_max) > 0).all()
    assert array(trace.predicted_class)[-1] == 2


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("precision", [Precision.PRECISION_FLOAT32, Precision.PRECISION_BFLOAT16])
def test_ten_thousand_steps_reach_the_tutorials_accuracy(api: Api, precision: Precision.ValueType) -> None:
    job = api.create(TrainSpec(precision=precision))
    for _ in api.jobs.WatchJob(WatchJobRequest(name=job.name), timeout=1000):
        pass
    result = api.finish(api.create(EvaluateSpec(model=job.model))).result.evaluate
    assert result.accuracy >= 0.985
