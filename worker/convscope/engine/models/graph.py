"""A Keras model as one flat list of steps: nested models are opened, so that each layer can be addressed and tapped."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeAlias

import keras

from convscope.engine.errors import ModelFileError

__all__ = ["IMAGE", "Graph", "Step"]

# The number of the value that is the image.
IMAGE: Final = 0

# Takes the values computed so far, by number; returns the positional and the named arguments of a step.
Arguments: TypeAlias = Callable[[Mapping[int, Any]], tuple[tuple[Any, ...], dict[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step:
    """One call of a layer.

    Attributes:
        path: the layer's name, after those of the models that it is nested in: ``outer/inner/layer``.
        call: number of the layer's call, from 1.
        layer: the Keras layer.
        reads: numbers of its input values.
        makes: numbers of its output values.
        shape: of its output for one image.
        arguments: returns the layer's arguments.
    """

    path: str
    call: int
    layer: Any
    reads: tuple[int, ...]
    makes: tuple[int, ...]
    shape: tuple[int, ...]
    arguments: Arguments

    @property
    def name(self) -> str:
        """The layer's path, with the number of later calls: ``layer#2``."""
        return self.path if self.call == 1 else f"{self.path}#{self.call}"


class Graph:
    """The computation of a model, step by step; the image is value 0.

    Attributes:
        image_shape: (height, width, channels).
        steps: in the order of computation.
        output: number of the model's output.

    Raises:
        ModelFileError: for a model that is not made of layers between one image of fixed size and one output.
    """

    def __init__(self, model: keras.Model) -> None:
        inputs, outputs = _ends(model)
        if len(inputs) != 1 or len(outputs) != 1:
            raise ModelFileError(
                f"the model has {len(inputs)} inputs and {len(outputs)} outputs; it must have one each"
            )
        self.image_shape: tuple[int, ...] = tuple(inputs[0].shape[1:])
        if len(self.image_shape) != 3 or None in self.image_shape:
            raise ModelFileError(
                f"the model's input has the shape {self.image_shape}; it must be [height, width, channels], all fixed"
            )
        self._shapes: list[tuple[Any, ...]] = [(None, *self.image_shape)]
        self.steps: list[Step] = []
        self._calls: Counter[str] = Counter()
        (self.output,) = self._place(model, "", [IMAGE])
        if not self.steps:
            raise ModelFileError("the model has no layers: its output is its input")

    @cached_property
    def by_name(self) -> dict[str, Step]:
        """The steps by name, in order."""
        return {step.name: step for step in self.steps}

    @cached_property
    def output_step(self) -> Step:
        """The step that makes the model's output."""
        return self.maker(self.output)

    @cached_property
    def largest(self) -> int:
        """The largest number of values that one step computes for one image."""
        return max(math.prod(self.shape(value)) for step in self.steps for value in step.makes)

    def maker(self, value: int) -> Step:
        """Return the step that makes a value other than the image."""
        return next(step for step in self.steps if value in step.makes)

    def shape(self, value: int) -> tuple[int, ...]:
        """Return the shape of a value for one image."""
        return self._shapes[value][1:]

    def readers(self, value: int) -> list[Step]:
        """Return the steps that read a value."""
        return [step for step in self.steps if value in step.reads]

    def towards(self, values: Iterable[int]) -> list[Step]:
        """Return the steps that some values depend on, in order."""
        needed, steps = set(values), []
        for step in reversed(self.steps):
            if needed.intersection(step.makes):
                needed.update(step.reads)
                steps.append(step)
        return steps[::-1]

    def _place(self, model: Any, prefix: str, values: list[int]) -> list[int]:
        """Append the steps of a model that reads these values, and return the numbers of its outputs."""
        if isinstance(model, keras.Sequential):
            for layer in model.layers:
                values = self._call(layer, prefix, values, [], _only_argument(values[0]))
            return values
        numbers = {id(tensor): value for tensor, value in zip(model.inputs, values, strict=True)}
        for node in _nodes(model):
            reads = [numbers[id(tensor)] for tensor in node.arguments.keras_tensors]
            made = self._call(node.operation, prefix, reads, node.outputs, _arguments_of(node, dict(numbers)))
            numbers.update(zip(map(id, node.outputs), made, strict=True))
        return [numbers[id(tensor)] for tensor in model.outputs]

    def _call(self, layer: Any, prefix: str, reads: list[int], outputs: list[Any], arguments: Arguments) -> list[int]:
        path = f"{prefix}{layer.name}"
        if isinstance(layer, keras.Model):
            _ends(layer)
            return self._place(layer, f"{path}/", reads)
        shapes = self._output_shapes(layer, reads, outputs)
        makes = tuple(range(len(self._shapes), len(self._shapes) + len(shapes)))
        self._shapes += shapes
        shape = tuple(shapes[0][1:])
        self._calls[path] += 1
        self.steps.append(
            Step(
                path=path,
                call=self._calls[path],
                layer=layer,
                reads=tuple(reads),
                makes=makes,
                shape=shape,
                arguments=arguments,
            )
        )
        return list(makes)

    def _output_shapes(self, layer: Any, reads: list[int], outputs: list[Any]) -> list[tuple[Any, ...]]:
        """Return the shapes of a call's outputs; a nested model may have been made for images of any size."""
        shapes = [tuple(output.shape) for output in outputs]
        if shapes and all(None not in shape[1:] for shape in shapes):
            return shapes
        taken = [self._shapes[value] for value in reads]
        return [tuple(layer.compute_output_shape(taken[0] if len(taken) == 1 else taken))]


def _ends(model: Any) -> tuple[list[Any], list[Any]]:
    """Return the inputs and outputs of a model.

    Raises:
        ModelFileError: if its layers are unknown.
    """
    known = isinstance(model, keras.Sequential) or hasattr(model, "_nodes_by_depth")
    try:
        inputs, outputs = (model.inputs, model.outputs) if known else (None, None)
    except (AttributeError, ValueError):  # a Sequential that was never built
        inputs, outputs = None, None
    if not inputs or not outputs:
        raise ModelFileError(f"model {model.name!r} is neither a functional model nor a built Sequential")
    return list(inputs), list(outputs)


def _nodes(model: Any) -> Iterable[Any]:
    """Return the calls of a functional model, in order. Keras has no public way to them."""
    by_depth = model._nodes_by_depth  # noqa: SLF001 - see above
    return (node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth] if not node.is_input)


def _only_argument(value: int) -> Arguments:
    return lambda values: ((values[value],), {})


def _arguments_of(node: Any, numbers: Mapping[int, int]) -> Arguments:
    def arguments(values: Mapping[int, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        tensors = {id(tensor): values[numbers[id(tensor)]] for tensor in node.arguments.keras_tensors}
        args, kwargs = node.arguments.fill_in(tensors)
        return args, kwargs

    return arguments
