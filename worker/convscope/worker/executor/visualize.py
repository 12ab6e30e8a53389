"""Parts of visualization jobs: cached images are reused, missing ones are computed."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from itertools import groupby

from convscope.engine import Image as ComputedImage
from convscope.engine import Visualizer
from convscope.engine.runtime.pulse import Pulse
from convscope.engine.visualization.visualizer import Ready
from convscope.planning import CacheKeys, ImageOrder, Item, check_planning, plan_visualization
from convscope.store import (
    Attempt,
    ResultWanted,
    addressed,
    cached_interpretation,
    layer_shapes,
    ready_images,
    visualization_request,
)
from convscope.store import Image as StoredImage
from convscope.v1.jobs_pb2 import JobEvent, JobResult
from convscope.v1.visualize_pb2 import Image, ImageReady, VisualizeResult, VisualizeSpec
from convscope.worker.executor import convert
from convscope.worker.executor.candidates import Candidates
from convscope.worker.executor.context import AttemptContext
from convscope.worker.executor.convert_objective import objective
from convscope.worker.executor.image_buffer import ImageBuffer
from convscope.worker.executor.models import open_model

__all__ = ["VisualizeRunner"]

# Cached images that are reused in one script of Redis, which does nothing else meanwhile.
CACHED_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Features of one target that a part computes; of those in ``parted``, only these restarts."""

    target: int
    layer: str
    features: tuple[int, ...]
    parted: Mapping[int, range]


class VisualizeRunner:
    """Computes parts of one job after another, and keeps what the parts of a job have in common."""

    def __init__(self) -> None:
        self._job: _Job | None = None

    def __call__(self, context: AttemptContext) -> None:
        """Compute the part that the context's attempt holds."""
        if self._job is None or not self._job.includes(context.attempt):
            self._job = _Job(context)
        self._job.compute(context)
        attempt = context.attempt
        try:
            attempt.finish()
        except ResultWanted:
            seconds, cached = attempt.figures()
            count = self._job.order.total
            result = VisualizeResult(image_count=count, cached_image_count=cached, duration=convert.duration(seconds))
            attempt.succeed(attempt.put(JobResult(visualize=result).SerializeToString()))


class _Job:
    """What the parts of a job have in common."""

    def __init__(self, context: AttemptContext) -> None:
        self._first = attempt = context.attempt
        self.job_id = attempt.job_id
        self._spec: VisualizeSpec = attempt.spec.visualize
        request = visualization_request(self._spec)
        self.order = ImageOrder(request)
        check_planning(attempt.planning)
        self._plan = plan_visualization(request, layer_shapes(attempt.model.layers), attempt.part_seconds)
        self._cache_keys = CacheKeys(
            request,
            attempt.model_file,
            self._plan.rows,
            interpretation=cached_interpretation(attempt.model.interpretation),
        )
        self._settings = convert.visualize_settings(self._spec)
        self._visualizer: Visualizer | None = None

    def includes(self, attempt: Attempt) -> bool:
        """Return whether an attempt is at a part of this job, as it was at the first attempt.

        A Redis that has lost writes may give the job another plan, or another model that was trained again.
        """
        return all(
            getattr(attempt, name) == getattr(self._first, name)
            for name in ("job_id", "model_file", "model", "spec", "planning", "part_seconds")
        )

    def compute(self, context: AttemptContext) -> None:
        """Report every image of the part that the job does not have yet."""
        spans = self._spans(context.attempt.part)
        numbers = [number for span in spans for feature in span.features for number in self._numbers(span, feature)]
        have = {number for number, _ in ready_images(context.redis, self.job_id, numbers)}
        if not self._spec.recompute:
            have |= self._reuse_cached(context, [number for number in numbers if number not in have])
        buffer = ImageBuffer(context, kept=len(have))
        for span in spans:
            self._compute_span(context, buffer, self._left(span, have), have)
        buffer.flush()

    def _left(self, span: Span, have: Set[int]) -> Span:
        """Return the rest of a span: features with missing images, and the missing restarts where all are kept."""
        lacking = {
            feature: [number for number in self._numbers(span, feature) if number not in have]
            for feature in span.features
        }
        features = tuple(feature for feature, missing in lacking.items() if missing)
        if not self._settings.keep_all:
            return replace(span, features=features)
        items = {feature: [self.order.item(number) for number in lacking[feature]] for feature in features}
        parted = {feature: range(missing[0].restart, missing[-1].restart + 1) for feature, missing in items.items()}
        return replace(span, features=features, parted=parted)

    def _spans(self, part: int) -> list[Span]:
        spans = []
        for number, group in groupby(self._plan.parts[part], key=lambda segment: segment.target):
            target, features, parted = self.order.targets[number], list[int](), dict[int, range]()
            for segment in group:
                features += target.features[segment.start : segment.start + segment.count]
                if segment.restarts is not None:
                    parted[features[-1]] = range(segment.first, segment.first + segment.restarts)
            spans.append(Span(target=number, layer=target.name, features=tuple(features), parted=parted))
        return spans

    def _numbers(self, span: Span, feature: int) -> range:
        """Return the numbers of a feature's images that a span computes or competes for."""
        numbers = self.order.of_feature(self.order.targets[span.target], feature)
        if self._competes(span, feature) or feature not in span.parted:
            return numbers
        return numbers[span.parted[feature].start : span.parted[feature].stop]

    def _competes(self, span: Span, feature: int) -> bool:
        """Return whether a span computes only a candidate for a feature's image."""
        return feature in span.parted and not self._settings.keep_all

    def _reuse_cached(self, context: AttemptContext, numbers: list[int]) -> set[int]:
        reused: set[int] = set()
        for start in range(0, len(numbers), CACHED_BATCH):
            context.pulse()
            images = [
                self._image(number, self._cache_key(number), cached=True)
                for number in numbers[start : start + CACHED_BATCH]
            ]
            reused |= context.attempt.reuse_cached(images)
        return reused

    def _compute_span(self, context: AttemptContext, buffer: ImageBuffer, span: Span, have: Set[int]) -> None:
        candidates = Candidates(context, self._settings.restarts)

        def choose(feature: int) -> None:
            number = self._numbers(span, feature)[0]
            if best := candidates.best(number):
                buffer.add(*self._stored(number, best), counted=True)

        def ready(computed: ComputedImage) -> None:
            number, feature = self._number(computed.item), computed.item.feature
            message = self._message(number, computed)
            if self._competes(span, feature):
                candidates.add(number, span.parted[feature], message, kept=buffer.count())
                choose(feature)
            elif number not in have:  # it may be stored if it is between missing ones
                buffer.add(*self._stored(number, message))

        competing = [feature for feature in span.features if self._competes(span, feature)]
        stored = {
            feature for feature in competing if candidates.has(self._numbers(span, feature)[0], span.parted[feature])
        }
        for feature in stored:  # by an attempt that ended before the feature's image was stored
            buffer.count()
            choose(feature)
        if missing := [feature for feature in span.features if feature not in stored]:
            self._run(context, span, missing, ready, buffer.pulse)

    def _run(self, context: AttemptContext, span: Span, features: list[int], ready: Ready, pulse: Pulse) -> None:
        visualizer, rows, settings = self._loaded(context), self._plan.rows[span.target], self._settings
        index = span.target - len(self._spec.selections)
        if index < 0:
            visualizer.run(span.layer, features, settings, rows=rows, restarts=span.parted, ready=ready, pulse=pulse)
        else:
            what = objective(self._spec.objectives[index])
            visualizer.run_objective(
                span.layer, what, settings, rows=rows, restarts=span.parted, ready=ready, pulse=pulse
            )

    def _loaded(self, context: AttemptContext) -> Visualizer:
        if self._visualizer is None:
            self._visualizer = Visualizer(open_model(context), context.settings.memory)
        return self._visualizer

    def _message(self, number: int, computed: ComputedImage) -> Image:
        """Return an image with its cache key, unless its batch was cut, which changes its bits."""
        message = convert.image(computed)
        if not computed.cut:
            message.cache_key = self._cache_key(number)
        return message

    def _stored(self, number: int, message: Image) -> tuple[StoredImage, bytes]:
        """Return an image as the job has it, and its bytes."""
        image = self._image(number, message.cache_key, cached=False)
        return image, message.SerializeToString(deterministic=True)

    def _number(self, item: Item) -> int:
        number = self.order.number(item if self.order.per_feature > 1 else replace(item, restart=0))
        if number is None:
            raise KeyError(f"{item.target} {item.feature} was computed, but not requested")
        return number

    def _cache_key(self, number: int) -> str:
        return self._cache_keys.of(self.order.item(number))

    def _image(self, number: int, cache_key: str, *, cached: bool) -> StoredImage:
        whose = addressed(self.job_id, self.order, number)
        whose.cache_key = cache_key
        event = ImageReady(image=whose, total_count=self.order.total, cached=cached)
        return StoredImage(number=number, cache_key=cache_key, event=JobEvent(image_ready=event))
