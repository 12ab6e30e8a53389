"""Training agrees with plain Keras, reports when it should, and is reproducible."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from convscope.engine.data import Dataset, scaled
from convscope.engine.errors import ComputationError, ModelFileError
from convscope.engine.evaluation.evaluation import evaluate
from convscope.engine.models.keras_files import model_from_bytes, model_to_bytes
from convscope.engine.models.network import build_network
from convscope.engine.runtime.pace import Pace
from convscope.engine.settings import (
    Activation,
    ConvolutionSettings,
    DenseSettings,
    EvaluateSettings,
    NetworkSettings,
    Precision,
    TrainSettings,
)
from convscope.engine.training import TrainReport, train
from convscope.engine.training.batches import BatchStream
from convscope.engine.training.steps import Steps, shard_sizes


def bits(model: keras.Model) -> list[bytes]:
    return [variable.numpy().tobytes() for variable in [*model.trainable_variables, *model.optimizer.variables]]


def reports(dataset: Dataset, settings: TrainSettings) -> list[TrainReport]:
    collected: list[TrainReport] = []
    train(dataset, settings, progress=collected.append)
    return collected


def plain_step(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> float:
    """Return one step as the Keras documentation writes it."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels, model(scaled(images), training=True))
        )
    model.optimizer.apply_gradients(
        zip(tape.gradient(loss, [v.value for v in model.trainable_variables]), model.trainable_variables, strict=True)
    )
    return float(loss)


@pytest.mark.parametrize("activation", ["relu", "elu", "tanh", "sigmoid", "linear"])
@pytest.mark.parametrize("pool_size", [1, 2, 3])
def test_steps_are_those_of_plain_keras(mnist: Dataset, activation: Activation, pool_size: int) -> None:
    network = NetworkSettings(
        convolutions=(
            ConvolutionSettings(filters=4, activation=activation, pool_size=pool_size),
            ConvolutionSettings(filters=5, kernel_size=2, activation=activation, pool_size=pool_size),
        ),
        dense=(DenseSettings(units=8, activation=activation),),
    )
    ours, theirs = (
        build_network(network, image_shape=(28, 28, 1), classes=10, learning_rate=1e-3, seed=5) for _ in range(2)
    )
    steps = Steps(ours, mnist.train, batch_size=19, precision="float32", threads=2)
    for batch in BatchStream(55_000, 19, 0).batches(0, 3):
        done, loss = steps.run(batch[np.newaxis])
        assert done == 1
        assert loss == pytest.approx(plain_step(theirs, mnist.train.images[batch], mnist.train.labels[batch]), rel=1e-4)
    for mine, other in zip(ours.trainable_variables, theirs.trainable_variables, strict=True):
        np.testing.assert_allclose(mine.numpy(), other.numpy(), atol=2e-4)
    assert int(ours.optimizer.iterations.numpy()) == 3


def test_reports_come_at_first_multiples_and_last(mnist: Dataset, small_settings: TrainSettings) -> None:
    curve = reports(mnist, replace(small_settings, iterations=25, validation_interval=15))
    assert [report.step for report in curve] == [1, 10, 15, 20, 25]
    assert [report.validation_accuracy is not None for report in curve] == [False, False, True, False, False]
    assert {report.last_step for report in curve} == {25}
    assert (curve[0].steps_per_second, curve[0].remaining_seconds) == (None, None)
    assert all(report.steps_per_second and report.steps_per_second > 0 for report in curve[1:])
    assert curve[-1].remaining_seconds == 0.0
    assert all(0 <= report.batch_accuracy <= 1 for report in curve)


def test_training_learns(mnist: Dataset, trained: keras.Model) -> None:
    evaluation = evaluate(trained, mnist.test.images, mnist.test.labels, EvaluateSettings(), classes=mnist.classes)
    assert evaluation.correct > 8_500


def test_reported_loss_is_before_and_accuracy_after_the_update(mnist: Dataset) -> None:
    settings = TrainSettings(learning_rate=1e-2, iterations=1)
    untrained = train(mnist, replace(settings, iterations=0)).model
    batch = BatchStream(55_000, 64, 0).batches(0, 1)[0]
    images, labels = mnist.train.images[batch], mnist.train.labels[batch]
    curve: list[TrainReport] = []
    after = train(mnist, settings, progress=curve.append).model
    assert curve[0].loss == pytest.approx(untrained.evaluate(scaled(images), labels, verbose=0)[0], rel=1e-4)
    predicted = after.predict(scaled(images), verbose=0).argmax(1)
    assert curve[0].batch_accuracy == np.mean(predicted == labels)
    assert np.mean(untrained.predict(scaled(images), verbose=0).argmax(1) == labels) != curve[0].batch_accuracy


def test_no_iterations_give_the_model_as_initialized(mnist: Dataset, small_settings: TrainSettings) -> None:
    curve: list[TrainReport] = []
    outcome = train(mnist, replace(small_settings, iterations=0), progress=curve.append)
    assert (outcome.step, outcome.steps_per_second, curve) == (0, None, [])
    fresh = build_network(
        small_settings.network, image_shape=(28, 28, 1), classes=10, learning_rate=1e-3, seed=small_settings.seed
    )
    assert bits(outcome.model) == bits(fresh)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_steps_per_call_change_no_bit(
    mnist: Dataset, small_settings: TrainSettings, precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(small_settings, precision=precision)
    fast = train(mnist, settings)
    monkeypatch.setattr(Pace, "next", lambda _, remaining: min(remaining, 3))
    assert bits(train(mnist, settings).model) == bits(fast.model)


def test_another_seed_gives_another_model(mnist: Dataset, small_settings: TrainSettings) -> None:
    settings = replace(small_settings, iterations=2)
    assert bits(train(mnist, settings).model) != bits(train(mnist, replace(settings, seed=4)).model)


def test_a_model_resumes_from_its_file_as_if_it_had_never_stopped(
    mnist: Dataset, small_settings: TrainSettings
) -> None:
    whole = train(mnist, small_settings)
    first = train(mnist, replace(small_settings, iterations=17))
    curve: list[TrainReport] = []
    second = train(
        mnist,
        replace(small_settings, iterations=23),
        model=model_from_bytes(model_to_bytes(first.model)),
        start_step=first.step,
        progress=curve.append,
    )
    assert second.step == whole.step == 40
    assert bits(second.model) == bits(whole.model)
    assert [report.step for report in curve] == [18, 20, 30, 40]


def test_bfloat16_stays_close_to_float32(mnist: Dataset, small_settings: TrainSettings) -> None:
    exact = reports(mnist, small_settings)
    rough = reports(mnist, replace(small_settings, precision="bfloat16"))
    assert rough[-1].loss == pytest.approx(exact[-1].loss, rel=0.1)
    assert rough[-1].loss != exact[-1].loss


def test_a_nan_loss_names_step_and_rate(mnist: Dataset, small_settings: TrainSettings) -> None:
    settings = replace(small_settings, learning_rate=1e38, iterations=50, report_interval=50)
    with pytest.raises(ComputationError, match=r"at step [1-9]\d*, with learning rate 1e\+38"):
        train(mnist, settings)


def test_weights_that_the_last_update_spoilt_are_noticed(mnist: Dataset, small_settings: TrainSettings) -> None:
    model = train(mnist, replace(small_settings, iterations=0)).model
    unused = model.optimizer.variables[2]
    unused.assign(np.full(unused.shape, np.nan, np.float32))
    with pytest.raises(ComputationError, match=f"{model.trainable_variables[0].path} .* step 1"):
        train(mnist, replace(small_settings, iterations=1), model=model)


def test_a_pulse_that_raises_ends_training(mnist: Dataset, small_settings: TrainSettings) -> None:
    pulses: list[None] = []
    curve: list[TrainReport] = []

    def pulse() -> None:
        pulses.append(None)
        if len(pulses) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(mnist, small_settings, progress=curve.append, pulse=pulse)
    assert len(curve) < 4


def test_a_model_with_another_optimizer_cannot_be_resumed(mnist: Dataset, small_settings: TrainSettings) -> None:
    model = train(mnist, replace(small_settings, iterations=0)).model
    model.compile(optimizer="sgd")
    with pytest.raises(ModelFileError, match="Adam"):
        train(mnist, small_settings, model=model)


def test_batches_run_through_all_examples_before_any_comes_again() -> None:
    stream = BatchStream(100, 8, seed=1)
    drawn = stream.batches(0, 25).ravel()
    for epoch in (drawn[:100], drawn[100:]):
        assert sorted(epoch) == list(range(100))
    assert not np.array_equal(drawn[:100], drawn[100:])


@pytest.mark.parametrize("start", [0, 5, 12, 13, 40])
def test_a_batch_depends_on_its_step_alone(start: int) -> None:
    whole = BatchStream(100, 8, seed=1).batches(0, 50)
    part = BatchStream(100, 8, seed=1).batches(start, 7)
    assert part.dtype == np.int32
    assert np.array_equal(part, whole[start : start + 7])


def test_a_batch_may_be_larger_than_the_stream_is_long() -> None:
    assert set(BatchStream(3, 7, seed=1).batches(2, 1)[0]) == {0, 1, 2}


@pytest.mark.parametrize(("batch", "threads", "expected"), [(64, 2, 2), (64, 1, 1), (65, 2, 2), (7, 4, 1), (64, 64, 8)])
def test_shards_cover_the_batch(batch: int, threads: int, expected: int) -> None:
    sizes = shard_sizes(batch, threads)
    assert (sum(sizes), len(sizes)) == (batch, expected)
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_ten_thousand_steps_reach_the_tutorials_accuracy(mnist: Dataset, precision: Precision) -> None:
    settings = TrainSettings(precision=precision, report_interval=1000, validation_interval=5000)
    curve: list[TrainReport] = []
    model = train(mnist, settings, progress=curve.append).model
    result = evaluate(model, mnist.test.images, mnist.test.labels, EvaluateSettings(), classes=mnist.classes)
    assert result.correct >= 9_850
    assert (curve[-1].validation_accuracy or 0) >= 0.98
