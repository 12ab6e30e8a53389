"""The numbers of a visualization's images, in the order of its spec, and what each is of."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from convscope.v1.visualize_pb2 import Restarts, VisualizeSpec

__all__ = ["ImageOrder", "ImagePlace", "ImageTarget", "objective_name"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePlace:
    """What an image is of: layer or named objective, feature, restart."""

    layer: str
    feature: int
    restart: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTarget:
    """The images of one layer or objective.

    Attributes:
        layer: name of the layer, or what the objective's images are listed under.
        numbers: those of the images.
        features: rising; one 0 for an objective.
        objective: which of the spec's objectives, from 0; None for a layer.
    """

    layer: str
    numbers: range
    features: Sequence[int]
    objective: int | None = None


class ImageOrder:
    """Numbers the images of a visualization from 0, in the order of its spec.

    Selections come first, then objectives; within a layer by feature, several restarts of a feature one after another.
    With RESTARTS_BEST a feature has one image, whose place says restart 0.

    Args:
        spec: every default filled in.
    """

    def __init__(self, spec: VisualizeSpec) -> None:
        self.each = spec.restarts if spec.keep == Restarts.RESTARTS_ALL else 1
        self.targets: list[ImageTarget] = []
        self.total = 0
        for selection in spec.selections:
            self._add(selection.name, selection.list.indices)
        for index, objective in enumerate(spec.objectives):
            self._add(objective_name(index, objective.name), (0,), index)

    def place(self, number: int) -> ImagePlace:
        """Return what image ``number`` is of.

        Raises:
            IndexError: if there is none of this number.
        """
        target = self.target_of(number)
        index, restart = divmod(number - target.numbers.start, self.each)
        return ImagePlace(layer=target.layer, feature=target.features[index], restart=restart)

    def target_of(self, number: int) -> ImageTarget:
        """Return the layer or objective that image ``number`` is of.

        Raises:
            IndexError: if there is none of this number.
        """
        if not 0 <= number < self.total:
            raise IndexError(number)
        return self.targets[bisect_right(self.targets, number, key=lambda each: each.numbers.start) - 1]

    def number(self, place: ImagePlace) -> int | None:
        """Return the number of an image; None if the job does not have it."""
        target = self.target(place.layer)
        found = self.of_feature(target, place.feature) if target else range(0)
        return found[place.restart] if 0 <= place.restart < len(found) else None

    def target(self, layer: str) -> ImageTarget | None:
        """Return the images of a layer or objective; None if the job has none of it."""
        return next((target for target in self.targets if target.layer == layer), None)

    def of_feature(self, target: ImageTarget, feature: int) -> range:
        """Return the numbers of a feature's images; none if the job does not have it."""
        index = bisect_left(target.features, feature)
        if index == len(target.features) or target.features[index] != feature:
            return range(0)
        return target.numbers[index * self.each : (index + 1) * self.each]

    def _add(self, layer: str, features: Sequence[int], objective: int | None = None) -> None:
        first, self.total = self.total, self.total + len(features) * self.each
        numbers = range(first, self.total)
        self.targets.append(ImageTarget(layer=layer, numbers=numbers, features=features, objective=objective))


def objective_name(index: int, name: str) -> str:
    """Return what the images of the objective at ``index`` are listed under."""
    return name or f"objectives[{index}]"
