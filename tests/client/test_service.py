"""The client and a real convscope: every method, end to end."""

import io
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from convscope.client import (
    AlreadyExists,
    Client,
    Digest,
    EvaluateResult,
    FailedPrecondition,
    Features,
    Finished,
    ImageReady,
    InvalidArgument,
    Job,
    JobCancelled,
    JobKind,
    JobState,
    LayerKind,
    ModelState,
    NotFound,
    Split,
    TrainProgress,
    TrainResult,
    Waiting,
)
from support.stack import Stack

STEPS = 30


@pytest.fixture(scope="module")
def training(real: Client) -> Job[TrainResult]:
    """A short training that has ended."""
    job = real.train(convolutions=[4], dense=[8], iterations=STEPS, report_interval=10, validation_interval=15)
    job.result(timeout=120)
    return job


def test_training_reports_and_results(real: Client, training: Job[TrainResult]) -> None:
    result = training.result()
    assert (result.model, result.step) == (training.model, STEPS)
    assert result.history.step.tolist() == [1, 10, 15, 20, 30]
    assert np.isfinite(result.history.validation_accuracy).tolist() == [False, False, True, False, True]
    assert result.history.loss.dtype == np.float64
    assert not result.history.loss[-1] > result.history.loss[0]
    events = list(training.watch())
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert [event.step for event in events if isinstance(event, TrainProgress)] == result.history.step.tolist()
    assert isinstance(events[-1], Finished)
    assert [event.sequence for event in training.watch(len(events) - 1)] == [len(events)]
    assert training.info.start_time is not None


def test_everything_can_be_submitted_at_once(real: Client) -> None:
    training = real.train(convolutions=[4], dense=[], iterations=5, seed=3, model_id="first")
    again = real.train(continue_from="first", iterations=5, model_id="second")
    evaluation, images = real.evaluate(again, max_errors=2), real.visualize(again, {"logits": 1})
    assert evaluation.model == images.model == again.model
    assert images.result(timeout=120).images[0].feature == 1
    assert evaluation.result(timeout=120).example_count == 10_000
    assert again.result().step == 10
    assert (training.model, again.model, again.result().model) == ("models/first", "models/second", "models/second")
    assert real.model(again).lineage.parent == training.model
    assert any(isinstance(event, Waiting) for event in evaluation.watch())
    with pytest.raises(AlreadyExists, match="models/second"):
        real.train(iterations=0, model_id="second")


def test_evaluation(real: Client, training: Job[TrainResult]) -> None:
    job = real.evaluate(training, max_errors=5)
    result = job.result(timeout=120)
    assert isinstance(result, EvaluateResult)
    assert result.split == Split.TEST
    assert result.confusion_matrix.shape == (10, 10)
    assert result.confusion_matrix.sum() == result.example_count == 10_000
    assert np.trace(result.confusion_matrix) == result.correct_count
    assert result.classes.example_count.tolist() == result.confusion_matrix.sum(axis=1).tolist()
    assert str(result) == f"{result.correct_count / 100:.1f}% ({result.correct_count} / 10000)"
    matrix = np.load(io.BytesIO(job.read_file("confusion-matrix.npy")))
    assert matrix.dtype == np.int64
    np.testing.assert_array_equal(matrix, result.confusion_matrix)
    assert [file.basename for file in job.files()] == ["confusion-matrix.npy"]
    assert list(training.files()) == []
    errors = result.errors
    assert errors.images.shape == (5, 28, 28, 1)
    assert errors.images.dtype == np.float32
    assert (errors.true != errors.predicted).all()
    assert (np.diff(errors.index) > 0).all()


def test_very_many_errors_are_all_there(real: Client, training: Job[TrainResult]) -> None:
    untrained = real.train(convolutions=[4], dense=[], iterations=0)
    job = real.evaluate(untrained, max_errors=1000)
    errors = job.result(timeout=120).errors  # of which 2 MiB hold some 660
    assert errors.images.shape == (1000, 28, 28, 1)
    assert (np.diff(errors.index) > 0).all()
    examples = list(job.examples())
    assert [example.index for example in examples] == errors.index.tolist()
    np.testing.assert_array_equal([example.pixels for example in examples[-9:]], errors.images[-9:])
    picture = next(job.examples(image_format="png"))
    assert (picture.index, picture.png[:4], picture.pixels.size) == (errors.index[0], b"\x89PNG", 0)
    with pytest.raises(InvalidArgument, match="not an evaluation"):
        next(training.examples())


def test_other_splits_and_no_errors(real: Client, training: Job[TrainResult]) -> None:
    result = real.evaluate(training, split="validation", max_errors=0).result(timeout=120)
    assert result.example_count == 5_000
    assert len(result.errors) == 0
    assert result.errors.images.shape == (0, 0, 0, 0)


def test_visualization(real: Client, training: Job[TrainResult]) -> None:
    layers: dict[str | int, Features] = {"logits": [7, 2], 0: slice(0, 3), "dense1": 5}
    result = real.visualize(training, layers, iterations=6, trace=True).result(timeout=120)
    assert result.layers == ("logits", "conv1", "dense1")
    assert [(image.layer, image.feature) for image in result.images] == [
        ("logits", 2),
        ("logits", 7),
        ("conv1", 0),
        ("conv1", 1),
        ("conv1", 2),
        ("dense1", 5),
    ]
    stack = result.layer("conv1")
    assert stack.features.tolist() == [0, 1, 2]
    assert stack.best.pixels.shape == (3, 28, 28, 1)
    assert stack.best.pixels.dtype == np.float32
    assert 0 <= stack.best.pixels.min() <= stack.best.pixels.max() <= 1
    assert (stack.best.objective >= stack.final.objective).all()
    assert stack.final.iteration.tolist() == [6, 6, 6]
    trace = result.images[-1].trace
    assert trace is not None
    assert trace.predicted_class is not None
    assert {array.shape for array in (trace.objective, trace.step_size, trace.predicted_class)} == {(6,)}


def test_the_same_seed_gives_the_same_images(real: Client, training: Job[TrainResult]) -> None:
    first, same, other = (
        real.visualize(training, "logits", iterations=4, seed=seed).result(timeout=120).layer("logits").final.pixels
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


def test_all_layers_are_visualized_by_default(real: Client, training: Job[TrainResult]) -> None:
    job = real.visualize(training, iterations=1)
    ready = [event for event in job.watch() if isinstance(event, ImageReady)]
    assert [event.completed_count for event in ready] == list(range(1, 4 + 8 + 10 + 1))
    assert {event.total_count for event in ready} == {22}
    assert [len(job.result().layer(name).features) for name in ("conv1", "dense1", "logits")] == [4, 8, 10]


def test_models_are_described(real: Client, training: Job[TrainResult]) -> None:
    model = real.model(training)
    assert model.state is ModelState.READY
    assert [layer.name for layer in model.layers] == ["conv1", "pool1", "flatten", "dense1", "logits"]
    assert model.layers[0].kind is LayerKind.CONVOLUTION
    assert model.layers[0].output_shape == (28, 28, 4)
    assert model.parameter_count == sum(layer.parameter_count for layer in model.layers)
    assert model.lineage.job == training.name
    assert len(real.history(training)) == 5
    assert model.name in [listed.name for listed in real.models(states="ready")]
    assert {listed.state for listed in real.models(states="failed")} <= {ModelState.FAILED}


def test_a_model_is_exported_whole(real: Client, training: Job[TrainResult], tmp_path: Path) -> None:
    path = real.export_model(training, tmp_path / "m.keras")
    assert real.model(training).digest == Digest(
        sha256=sha256(path.read_bytes()).hexdigest(), size_bytes=path.stat().st_size
    )
    assert "config.json" in zipfile.ZipFile(path).namelist()
    assert list(tmp_path.iterdir()) == [path]


def test_a_job_is_cancelled_and_deleted(real: Client) -> None:
    job = real.train(iterations=1_000_000)
    with pytest.raises(FailedPrecondition):
        job.delete()
    job.cancel()
    with pytest.raises(JobCancelled):
        job.result(timeout=60)
    assert job.state() is JobState.CANCELLED
    job.delete()
    with pytest.raises(NotFound):
        job.refresh()


def test_jobs_are_listed(real: Client, training: Job[TrainResult]) -> None:
    assert training.name in [job.name for job in real.jobs()]
    assert {job.kind for job in real.jobs(kinds=["train"])} == {JobKind.TRAIN}
    assert training.name not in [job.name for job in real.jobs(states=[JobState.RUNNING, "queued", "waiting"])]
    assert real.job(training.name.removeprefix("jobs/")).info.spec["iterations"] == str(STEPS)


def test_datasets_are_described(real: Client) -> None:
    (dataset,) = real.datasets()
    assert dataset.owner == "local"
    assert dataset == real.dataset("mnist")
    assert dataset.image_shape == (28, 28, 1)
    assert dict(dataset.splits) == {Split.TRAIN: 55_000, Split.VALIDATION: 5_000, Split.TEST: 10_000}


def test_a_request_id_is_one_job(real: Client) -> None:
    first, second = (real.train(iterations=0, request_id="the-same") for _ in range(2))
    assert first.name == second.name


def test_bad_fields_are_named(real: Client, training: Job[TrainResult]) -> None:
    with pytest.raises(InvalidArgument, match="conv1, dense1, logits") as caught:
        real.visualize(training, "conv9")
    assert list(caught.value.fields) == ["layers[0].name"]
    with pytest.raises(NotFound, match="models/nowhere"):
        real.evaluate("models/nowhere")


MEMORY = """
import sys
from convscope.client import Client
with Client(sys.argv[1]) as client:
    training = client.train(iterations=5)
    images = client.visualize(training, iterations=3)
    training.result(progress=True)
    assert len(images.result(progress=True).images) == 190
print(next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def test_a_client_that_trains_and_visualizes_is_small(stack: Stack) -> None:
    done = subprocess.run([sys.executable, "-c", MEMORY, stack.address], check=True, capture_output=True, text=True)
    assert float(done.stdout) <= 120
    assert "visualizing: succeeded 190/190 images" in done.stderr
