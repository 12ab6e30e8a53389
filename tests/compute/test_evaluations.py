"""Accuracy, scores and errors agree with plain Keras, whatever the batch size."""

import keras
import numpy as np
import pytest

from convscope.engine.data import Dataset, scaled
from convscope.engine.evaluation.evaluation import Evaluation, evaluate
from convscope.engine.settings import EvaluateSettings
from convscope.worker.executor import convert


def run(model: keras.Model, dataset: Dataset, count: int = 1000, **settings: int) -> Evaluation:
    return evaluate(
        model,
        dataset.test.images[:count],
        dataset.test.labels[:count],
        EvaluateSettings(**settings),
        classes=dataset.classes,
    )


def test_figures_agree_with_plain_keras(trained: keras.Model, mnist: Dataset) -> None:
    evaluation = run(trained, mnist)
    logits = trained.predict(scaled(mnist.test.images[:1000]), verbose=0)
    predicted, labels = logits.argmax(1), mnist.test.labels[:1000]
    confusion = np.zeros((10, 10), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    assert np.array_equal(evaluation.confusion, confusion)
    assert (evaluation.total, evaluation.correct) == (1000, np.trace(confusion))
    np.testing.assert_allclose(evaluation.recall, np.diag(confusion) / confusion.sum(1))
    np.testing.assert_allclose(evaluation.precision, np.diag(confusion) / confusion.sum(0))
    np.testing.assert_allclose(evaluation.f1, 2 / (1 / evaluation.precision + 1 / evaluation.recall))
    assert np.array_equal(evaluation.support, np.bincount(labels, minlength=10))


def test_the_first_errors_are_kept_with_their_images(trained: keras.Model, mnist: Dataset) -> None:
    evaluation = run(trained, mnist, max_errors=4)
    logits = trained.predict(scaled(mnist.test.images[:1000]), verbose=0)
    wrong = np.flatnonzero(logits.argmax(1) != mnist.test.labels[:1000])[:4]
    assert [error.index for error in evaluation.errors] == wrong.tolist()
    for error in evaluation.errors:
        assert np.array_equal(error.image, scaled(mnist.test.images[error.index]))
        assert (error.true, error.predicted) == (mnist.test.labels[error.index], logits[error.index].argmax())
        shares = np.exp(logits[error.index]) / np.exp(logits[error.index]).sum()
        assert error.probability == pytest.approx(shares.max(), rel=1e-4)


@pytest.mark.parametrize("batch_size", [1, 7, 300, 8192])
def test_no_figure_depends_on_the_batch_size(trained: keras.Model, mnist: Dataset, batch_size: int) -> None:
    evaluation, expected = run(trained, mnist, 301, batch_size=batch_size), run(trained, mnist, 301, batch_size=256)
    assert np.array_equal(evaluation.confusion, expected.confusion)
    assert [error.index for error in evaluation.errors] == [error.index for error in expected.errors]


def test_classes_without_examples_or_predictions_have_no_score(trained: keras.Model, mnist: Dataset) -> None:
    ones = mnist.test.images[mnist.test.labels == 1][:50]
    labels = np.full(50, 1)
    evaluation = evaluate(trained, ones, labels, EvaluateSettings(), classes=mnist.classes)
    assert evaluation.confusion.shape == (10, 10)
    assert evaluation.support.tolist() == [0, 50, 0, 0, 0, 0, 0, 0, 0, 0]
    assert np.array_equal(np.isnan(evaluation.recall), evaluation.support == 0)
    assert np.array_equal(np.isnan(evaluation.precision), evaluation.confusion.sum(axis=0) == 0)
    assert np.array_equal(np.isnan(evaluation.f1), np.isnan(evaluation.recall) | np.isnan(evaluation.precision))


def test_progress_counts_up_to_all_images(trained: keras.Model, mnist: Dataset) -> None:
    progress: list[tuple[int, int]] = []
    images, labels = mnist.test.images[:300], mnist.test.labels[:300]
    evaluate(
        trained,
        images,
        labels,
        EvaluateSettings(batch_size=128, max_errors=0),
        classes=mnist.classes,
        progress=lambda done, total: progress.append((done, total)),
    )
    assert progress == [(128, 300), (256, 300), (300, 300)]


def test_a_pulse_that_raises_ends_evaluation(trained: keras.Model, mnist: Dataset) -> None:
    def pulse() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(
            trained,
            mnist.test.images,
            mnist.test.labels,
            EvaluateSettings(batch_size=16),
            classes=mnist.classes,
            pulse=pulse,
        )


@pytest.mark.parametrize(("count", "sent"), [(256, True), (257, False)])
def test_a_large_confusion_matrix_is_not_in_the_result(count: int, sent: bool) -> None:
    column = np.ones(count)
    evaluation = Evaluation(
        correct=count,
        total=count,
        confusion=np.eye(count, dtype=np.int64),
        precision=column,
        recall=column,
        f1=column,
        support=column.astype(np.int64),
        errors=(),
    )
    result = convert.evaluate_result(evaluation, "test", [str(number) for number in range(count)])
    assert (result.HasField("confusion_matrix"), len(result.classes)) == (sent, count)
    assert result.ByteSize() < 2**20
