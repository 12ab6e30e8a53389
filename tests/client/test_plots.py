"""Figures show pixels as they are, say what they show, and stay within bounds."""

import io
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from convscope.client import History, ImageStack, InvalidValue, LayerImages, MissingExtra, Outcome, Verdict, plots
from convscope.client.plots import canvas, grid
from convscope.client.plots.features import _columns
from convscope.v1 import train_pb2

rng = np.random.default_rng(0)


def pictures(figure: Figure) -> list[Any]:
    return [image for axes in figure.axes for image in axes.get_images()]


def written(figure: Figure) -> list[str]:
    """Return the texts on a figure's only axes."""
    (axes,) = figure.axes
    return [text.get_text() for text in axes.texts]


def rendered(figure: Figure) -> np.ndarray[Any, Any]:
    """Return the pixels of the figure as it would be saved."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="raw")
    width, height = figure.canvas.get_width_height()
    return np.frombuffer(buffer.getvalue(), np.uint8).reshape(height, width, 4)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_grey_is_absolute(level: float) -> None:
    """An image of all zeros is white and one of all ones is black: a scale fitted to the image shows them alike."""
    image = np.full((28, 28, 1), level, np.float32)
    for figure in (plots.plot_image(image), plots.plot_features(image[np.newaxis]), plots.plot_images([image], ["x"])):
        (picture,) = pictures(figure)
        assert picture.get_clim() == (0, 1)
        grey = picture.cmap(picture.norm(level))[0]
        assert grey == pytest.approx(1 - level, abs=0.01)


def test_a_black_image_is_drawn_black() -> None:
    pixels = rendered(plots.plot_image(np.ones((8, 8))))
    height, width = pixels.shape[:2]
    assert tuple(pixels[height // 2, width // 2, :3]) == (0, 0, 0)


def test_colours_are_shown_as_they_are() -> None:
    image = np.zeros((8, 8, 3), np.float32)
    image[..., 0] = 1
    for smooth in (False, True):
        pixels = rendered(plots.plot_features(image[np.newaxis], smooth=smooth))
        height, width = pixels.shape[:2]
        assert tuple(pixels[height // 2, width // 2, :3]) == (255, 0, 0)


def test_images_carry_true_and_predicted_class() -> None:
    figure = plots.plot_images(rng.random((9, 28, 28, 1)), [2] * 9, [7] * 9)
    assert [axes.get_xlabel() for axes in figure.axes] == ["True: 2, Pred: 7"] * 9
    figure = plots.plot_images(rng.random((4, 28, 28)), list("abcd"))
    assert [axes.get_xlabel() for axes in figure.axes if axes.get_images()] == [f"True: {name}" for name in "abcd"]


def test_no_errors_make_a_figure_too() -> None:
    assert not pictures(plots.plot_images(np.zeros((0, 0, 0, 0), np.float32), [], []))


@pytest.mark.parametrize("smooth", [False, True])
def test_features_are_numbered(smooth: bool) -> None:
    figure = plots.plot_features(rng.random((3, 28, 28, 1)), np.array([4, 7, 12]), smooth=smooth, title="conv2")
    assert written(figure) == ["4", "7", "12"]
    assert {picture.get_interpolation() for picture in pictures(figure)} == {"spline16" if smooth else "nearest"}


def corner(picture: Any) -> tuple[float, float]:
    """Return the place of an image's upper left corner, in inches from the figure's."""
    left, _, _, top = picture.get_extent()
    return left, top


def box(picture: Any) -> tuple[float, float]:
    """Return an image's width and height in inches."""
    left, right, bottom, top = picture.get_extent()
    return right - left, bottom - top


def test_a_large_layer_is_one_axes_and_a_bounded_picture() -> None:
    figure = plots.plot_features(np.zeros((1280, 2, 2, 3), np.float32), title="a layer")
    assert written(figure) == [str(feature) for feature in range(1280)]
    places = [corner(picture) for picture in pictures(figure)]
    assert places == sorted(set(places), key=lambda place: (round(place[1], 6), place[0]))
    inches = figure.get_size_inches()
    assert np.prod(inches * figure.dpi) == pytest.approx(20e6, rel=0.01)
    assert box(pictures(figure)[0])[0] * figure.dpi > 90


def test_what_is_too_much_for_a_picture_is_left_out_and_reported() -> None:
    figure = plots.plot_features(np.zeros((400, 1, 1)), columns=1, title="a layer")
    assert figure.get_suptitle() == "a layer: the first 320 of 400"
    assert written(figure) == [str(feature) for feature in range(320)]
    assert max(figure.canvas.get_width_height()) <= 32_000


def test_few_images_are_as_sharp_as_any() -> None:
    for shape in (1, 28, 28), (128, 28, 28):
        assert plots.plot_features(np.zeros(shape)).dpi == 160


def test_images_keep_their_shape_and_stay_apart() -> None:
    for shape, size in ((20, 60), (1, 1 / 3)), ((60, 20), (1 / 3, 1)):
        images = pictures(plots.plot_features(np.zeros((4, *shape)), columns=2))
        assert [box(image) for image in images] == [pytest.approx(size)] * 4
        assert corner(images[2])[1] > corner(images[0])[1] + size[1]


def test_smooth_images_do_not_run_into_each_other() -> None:
    """A black image beside a white one is as black and as white as alone, up to its edges."""
    black = np.arange(6).reshape(6, 1, 1, 1) % 2 * np.ones((1, 3, 3, 1))
    figure = plots.plot_features(black, columns=2)
    pixels, dpi = rendered(figure), figure.dpi
    for image, level in zip(pictures(figure), [255, 0] * 3, strict=True):
        left, right, bottom, top = (round(edge * dpi) for edge in image.get_extent())
        assert (pixels[top + 2 : bottom - 2, left + 2 : right - 2, :3] == level).all()


def test_nan_is_white() -> None:
    image = np.full((1, 4, 4, 3), np.nan, np.float32)
    (picture,) = pictures(plots.plot_features(image))
    assert (picture.get_array() == 255).all()


OUTCOMES = [None, Outcome.NORMAL, Outcome.CONSTANT, Outcome.NOT_A_NUMBER]
VERDICTS = [Verdict(outcome=outcome) if outcome else None for outcome in OUTCOMES]
STUCK = Verdict(outcome=Outcome.UNREACHABLE, without_gradient=True)


def stack(pixels: np.ndarray[Any, Any], objectives: list[float]) -> ImageStack:
    zeros = np.zeros(len(pixels), np.int32)
    return ImageStack(
        pixels=pixels,
        objective=np.array(objectives),
        predicted_class=zeros,
        probability=zeros.astype(np.float64),
        iteration=zeros,
    )


def test_what_is_not_normal_is_marked() -> None:
    figure = plots.plot_features(rng.random((5, 28, 28, 1)), verdicts=[*VERDICTS, STUCK])
    assert written(figure) == ["0", "1", "2", "constant", "3", "not a number", "4", "unreachable\nwithout a gradient"]
    frames = [to_hex(frame.get_edgecolor()) for frame in figure.axes[0].patches]
    assert frames == [canvas.GREY] * 2 + [grid._WARNING] * 3
    assert str(STUCK) == "unreachable, without a gradient"


def test_restarts_are_drawn_from_the_best_on() -> None:
    images = stack(rng.random((5, 6, 6, 1), np.float32), [1, 3, 2, 5, 4])
    layer = LayerImages(
        layer="conv1",
        features=np.array([7, 7, 7, 9, 9], np.int32),
        restarts=np.array([0, 1, 2, 0, 1], np.int32),
        verdicts=(*VERDICTS, None),
        final=images,
        best=images,
    )
    figure = plots.plot_restarts(layer)
    assert written(figure) == ["7", "3.00", "2.00", "constant", "1.00", "9", "5.00", "not a number", "4.00"]
    np.testing.assert_array_equal(pictures(figure)[0].get_array(), images.pixels[1, ..., 0])
    assert figure.get_suptitle() == "conv1"
    assert rendered(figure).any()


def test_an_objective_has_no_number_and_nothing_is_less_than_nothing() -> None:
    images = stack(rng.random((2, 6, 6, 1), np.float32), [-0.0, -0.001])
    layer = LayerImages(
        layer="mine",
        features=np.array([0, 0], np.int32),
        restarts=np.array([0, 1], np.int32),
        verdicts=(None, None),
        final=images,
        best=images,
        is_objective=True,
    )
    assert written(plots.plot_restarts(layer)) == ["0.00", "-0.00100"]
    assert written(plots.plot_restarts(replace(layer, is_objective=False))) == ["0", "0.00", "-0.00100"]


@given(st.integers(1, 5000))
@settings(max_examples=60)
def test_grids_are_wide_and_hardly_empty(count: int) -> None:
    columns, root = _columns(count), np.sqrt(count)
    assert 1 <= columns <= max(16, 1.25 * root + 1)
    assert -count % columns < columns
    assert count <= 3 or columns >= root


@pytest.mark.parametrize(("count", "columns"), [(10, 5), (16, 8), (36, 9), (128, 16), (1, 1), (256, 16), (1280, 40)])
def test_usual_layers_fill_their_grids(count: int, columns: int) -> None:
    assert _columns(count) == columns


def test_an_overview_has_a_band_for_each_layer() -> None:
    figure = plots.plot_overview({"filters": rng.random((36, 14, 14, 1)), "classes": rng.random((3, 28, 28))})
    assert written(figure) == ["filters", "classes"]
    lefts, tops = zip(*(corner(picture) for picture in pictures(figure)), strict=True)
    assert lefts == pytest.approx([0.05 + left for left in (*range(10), *range(10), *range(3))])
    assert tops == pytest.approx([0.45] * 10 + [1.45] * 10 + [2.85] * 3)
    assert tuple(figure.get_size_inches()) == pytest.approx((10, 3.8))
    assert {picture.get_clim() for picture in pictures(figure)} == {(0, 1)}


def test_titles_are_no_formulas() -> None:
    bad = r"$\frac$"
    assert rendered(plots.plot_overview({bad: rng.random((1, 8, 8))})).any()
    assert rendered(plots.plot_features(rng.random((1, 8, 8)), title=bad)).any()


def test_a_confusion_matrix_shows_its_counts_and_accuracy() -> None:
    figure = plots.plot_confusion_matrix([[50, 2], [3, 45]], ["cat", "dog"])
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["50", "2", "3", "45"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Predicted", "True")
    assert figure.get_suptitle() == "95.0% (95 / 100)"


def test_a_confusion_matrix_of_nothing_can_be_drawn() -> None:
    assert rendered(plots.plot_confusion_matrix(np.zeros((3, 3), np.int64))).any()


def test_a_training_curve_has_accuracy_and_loss() -> None:
    reports = [
        train_pb2.TrainProgress(step=step, loss=2 / step, batch_accuracy=1 - 1 / step, validation_accuracy=0.5)
        for step in range(1, 200)
    ]
    figure = plots.plot_training_curve(History.from_wire(reports))
    above, below = figure.axes
    assert (above.get_ylabel(), below.get_ylabel()) == ("accuracy", "cross-entropy (nats)")
    assert below.get_yscale() == "log"
    legend = above.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["training batch", "validation split"]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_short_histories_can_be_drawn(count: int) -> None:
    reports = [train_pb2.TrainProgress(step=step + 1, loss=1.0, batch_accuracy=0.5) for step in range(count)]
    assert rendered(plots.plot_training_curve(History.from_wire(reports))).any()


@pytest.mark.parametrize(
    ("draw", "expected"),
    [
        (lambda: plots.plot_image(np.zeros((28, 28, 2))), r"\[1, 28, 28, 2\] is not"),
        (lambda: plots.plot_features(np.zeros((0, 28, 28))), r"\[0, 28, 28, 1\] is not"),
        (lambda: plots.plot_features(np.zeros((2, 28, 28)), [1]), "1 numbers for 2 images"),
        (lambda: plots.plot_overview({}), "at least one"),
        (lambda: plots.plot_overview({"a": np.zeros((28, 28))}), r"\[28, 28\] is not"),
        (lambda: plots.plot_features(np.zeros((2, 28, 28)), verdicts=[None]), "verdicts: 1 for 2 images"),
        (lambda: plots.plot_features(np.zeros((2, 28, 28)), columns=0), "columns: 0 is not 1 to 320"),
        (lambda: plots.plot_images(np.zeros((10, 28, 28)), [0] * 10), "at most 9"),
        (lambda: plots.plot_images(np.zeros((2, 28, 28)), [0]), "as many classes as images"),
        (lambda: plots.plot_confusion_matrix([[1, 2]]), "not a square of counts"),
        (lambda: plots.plot_confusion_matrix([[-1]]), "not a square of counts"),
        (lambda: plots.plot_confusion_matrix([[1]], ["a", "b"]), "2 names for 1 classes"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw: Any, expected: str) -> None:
    with pytest.raises(InvalidValue, match=expected):
        draw()


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match=r"pip install 'convscope\[plot\]'"):
        plots.plot_image(np.zeros((2, 2)))


def test_pyplot_and_displays_are_left_alone() -> None:

    code = (
        "import sys, numpy as np; from convscope.client import plots;"
        "assert 'matplotlib' not in sys.modules;"
        "plots.plot_image(np.zeros((4, 4)));"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
