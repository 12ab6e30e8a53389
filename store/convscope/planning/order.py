"""The numbers of a visualization's images, in the order of its request, and their subjects."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from convscope.planning.items import Item
from convscope.planning.requests import TargetRequest, VisualizationRequest

__all__ = ["ImageOrder", "ImageTarget"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTarget:
    """The images of one layer or objective.

    Attributes:
        name: name of the layer or of the objective.
        numbers: numbers of the images.
        features: features in ascending order; one 0 for an objective.
        objective: index of the objective in the request, from 0; None for a layer.
    """

    name: str
    numbers: range
    features: Sequence[int]
    objective: int | None = None


class ImageOrder:
    """Numbers the images of a visualization from 0, in the order of its request.

    Layers come first, then objectives; within a layer by feature, within a feature by restart. If only the best restart
    is kept, a feature has one image, whose item has restart 0.

    Attributes:
        per_feature: images of each feature.
        targets: the images of each target.
        total: number of images.
    """

    def __init__(self, request: VisualizationRequest) -> None:
        self.per_feature = request.restarts if request.keep_all else 1
        self.targets: list[ImageTarget] = []
        self.total = 0
        for layer in request.layers:
            self._add(layer)
        for index, objective in enumerate(request.objectives):
            self._add(objective, index)

    def item(self, number: int) -> Item:
        """Return the subject of image ``number``.

        Raises:
            IndexError: if there is no image with this number.
        """
        target = self.target_of(number)
        index, restart = divmod(number - target.numbers.start, self.per_feature)
        return Item(target.name, target.features[index], restart)

    def target_of(self, number: int) -> ImageTarget:
        """Return the layer or objective of image ``number``.

        Raises:
            IndexError: if there is no image with this number.
        """
        if not 0 <= number < self.total:
            raise IndexError(number)
        return self.targets[bisect_right(self.targets, number, key=lambda target: target.numbers.start) - 1]

    def number(self, item: Item) -> int | None:
        """Return the number of an image; None if the job does not have it."""
        target = self.target(item.target)
        numbers = self.of_feature(target, item.feature) if target else range(0)
        return numbers[item.restart] if 0 <= item.restart < len(numbers) else None

    def target(self, name: str) -> ImageTarget | None:
        """Return the images of a layer or objective; None if the job has none."""
        return next((target for target in self.targets if target.name == name), None)

    def of_feature(self, target: ImageTarget, feature: int) -> range:
        """Return the numbers of a feature's images; empty if the job does not have the feature."""
        index = bisect_left(target.features, feature)
        if index == len(target.features) or target.features[index] != feature:
            return range(0)
        return target.numbers[index * self.per_feature : (index + 1) * self.per_feature]

    def _add(self, target: TargetRequest, objective: int | None = None) -> None:
        first, self.total = self.total, self.total + len(target.features) * self.per_feature
        numbers = range(first, self.total)
        self.targets.append(
            ImageTarget(name=target.name, numbers=numbers, features=target.features, objective=objective)
        )
