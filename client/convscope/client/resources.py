"""Models and datasets as the server describes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from google.protobuf import json_format

from convscope.client import checks
from convscope.client.enums import Device, HeadKind, LayerKind, ModelState, WorkerState, from_wire
from convscope.client.times import time_from_wire
from convscope.v1 import datasets_pb2, device_pb2, digest_pb2, models_pb2, workers_pb2

__all__ = [
    "Dataset",
    "Digest",
    "Interpretation",
    "Layer",
    "Lineage",
    "Model",
    "ModelHead",
    "ModelInput",
    "Worker",
    "dataset_name",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer of a model: a node of its graph.

    Attributes:
        name: Its name, unique in the model; ``name#2`` where a layer is called again.
        op: Its operation: the name of a Keras layer's class, as ``Conv2D``.
        inputs: Names of the layers that it reads, in order; an empty one stands for the image.
        kind: What its features are.
        output_shape: Shape of its output for one image: (height, width, channels) or (units,).
        feature_count: Number of features that can be visualized; 0 for layers without.
        parameter_count: Number of trained weights, biases included.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    kind: LayerKind
    output_shape: tuple[int, ...]
    feature_count: int
    parameter_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """Names bytes by what they are: their SHA-256 in hexadecimal, and how many there are."""

    sha256: str
    size_bytes: int

    @classmethod
    def from_wire(cls, message: digest_pb2.Digest) -> "Digest":
        """Return the digest of a message."""
        return cls(sha256=message.sha256, size_bytes=message.size_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInput:
    """How images, whose values span 0 to 1, go into a model.

    Attributes:
        shape: (height, width, channels), in pixels.
        black: What the first layer is given for 0.
        white: What the first layer is given for 1.
    """

    shape: tuple[int, ...]
    black: float
    white: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelHead:
    """How classes come out of a model.

    Attributes:
        kind: What the last layer gives; None where the server does not say.
        layer: Name of the layer whose outputs are the classes' logits.
    """

    kind: HeadKind | None
    layer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpretation:
    """How a model's file is understood.

    Attributes:
        input: How images go in.
        head: How classes come out.
        classes: Names of the classes, by class number.
    """

    input: ModelInput
    head: ModelHead
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Where a model comes from.

    Attributes:
        job: ``jobs/{id}`` that created it.
        parent: ``models/{id}`` that it continues; empty if it started from initial weights.
        spec: The training spec, every default filled in, as ``JobInfo.spec``.
        environment: Versions and settings that decide the exact bits.
    """

    job: str
    parent: str
    spec: Mapping[str, Any]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """A trained classifier.

    Attributes:
        name: ``models/{id}``.
        state: Where it is in its life.
        owner: Who owns it.
        dataset: ``datasets/{id}`` that it was trained on.
        digest: Its file; None unless it is ready.
        revision: Number of its interpretation, from 1.
        interpretation: How its file is understood; without classes in listings that are not full.
        layers: Its layers, each after those that it reads; empty in listings that are not full.
        parameter_count: Number of trained weights.
        step: Training steps, including those of the models that it continues.
        lineage: Where it comes from; empty in listings that are not full.
        create_time: When its name was allotted, UTC.
    """

    name: str
    state: ModelState
    owner: str
    dataset: str
    digest: Digest | None
    revision: int
    interpretation: Interpretation
    layers: tuple[Layer, ...]
    parameter_count: int
    step: int
    lineage: Lineage
    create_time: datetime

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(height, width, channels) of its input, in pixels."""
        return self.interpretation.input.shape

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, by class number."""
        return self.interpretation.classes

    @classmethod
    def from_wire(cls, message: models_pb2.Model) -> "Model":
        """Return the model of a message."""
        return cls(
            name=message.name,
            state=from_wire(ModelState, models_pb2.ModelState.Name, message.state),
            owner=message.owner,
            dataset=message.dataset,
            digest=Digest.from_wire(message.digest) if message.HasField("digest") else None,
            revision=message.revision,
            interpretation=_interpretation(message.interpretation),
            layers=tuple(_layer(layer) for layer in message.layers),
            parameter_count=message.parameter_count,
            step=message.step,
            lineage=_lineage(message.lineage),
            create_time=time_from_wire(message.create_time),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A labelled set of images, all of one shape.

    Attributes:
        name: ``datasets/{id}``.
        title: What it is, in one line.
        owner: Who owns it.
        image_shape: (height, width, channels) of every image, in pixels; values span 0 to 1.
        classes: Names of the classes, by class number.
        splits: Number of examples of each split, by its name.
        source: Where it comes from and under which licence.
    """

    name: str
    title: str
    owner: str
    image_shape: tuple[int, ...]
    classes: tuple[str, ...]
    splits: Mapping[str, int]
    source: str

    @classmethod
    def from_wire(cls, message: datasets_pb2.Dataset) -> "Dataset":
        """Return the dataset of a message."""
        return cls(
            name=message.name,
            title=message.title,
            owner=message.owner,
            image_shape=tuple(message.image_shape),
            classes=tuple(message.classes),
            splits=MappingProxyType({split.name: split.example_count for split in message.splits}),
            source=message.source,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker of the server's.

    Attributes:
        name: ``workers/{id}``.
        host: Name of the machine that it runs on.
        device: What it computes on: ``cpu`` or ``gpu``.
        state: What it does.
        warm: Whether it waits with TensorFlow loaded; only if idle.
        job: ``jobs/{id}`` that it computes a part of; empty where it computes nothing.
        part: Number of that part, from 0.
        version: Version of its software.
        start_time: When it started, UTC; None if unknown.
        heartbeat_time: Time of its last heartbeat, UTC.
        process_id: Its process, on its machine.
        thread_count: How many threads it computes with.
    """

    name: str
    host: str
    device: Device
    state: WorkerState
    warm: bool
    job: str
    part: int
    version: str
    start_time: datetime | None
    heartbeat_time: datetime
    process_id: int
    thread_count: int

    @classmethod
    def from_wire(cls, message: workers_pb2.Worker) -> "Worker":
        """Return the worker of a message."""
        return cls(
            name=message.name,
            host=message.host,
            device=from_wire(Device, device_pb2.Device.Name, message.device),
            state=from_wire(WorkerState, workers_pb2.WorkerState.Name, message.state),
            warm=message.warm,
            job=message.job,
            part=message.part,
            version=message.version,
            start_time=time_from_wire(message.start_time) if message.HasField("start_time") else None,
            heartbeat_time=time_from_wire(message.heartbeat_time),
            process_id=message.process_id,
            thread_count=message.thread_count,
        )


def dataset_name(dataset: object) -> str:
    """Return the name of a dataset.

    Raises:
        InvalidValue, InvalidType: It does not name a dataset.
    """
    return dataset.name if isinstance(dataset, Dataset) else checks.resource_name("datasets", dataset)


def _interpretation(message: models_pb2.Interpretation) -> Interpretation:
    image, head = message.input, message.head
    kind = from_wire(HeadKind, models_pb2.ModelHead.Kind.Name, head.kind) if head.kind else None
    return Interpretation(
        input=ModelInput(shape=tuple(image.shape), black=image.black, white=image.white),
        head=ModelHead(kind=kind, layer=head.layer),
        classes=tuple(message.classes),
    )


def _layer(message: models_pb2.Layer) -> Layer:
    return Layer(
        name=message.name,
        op=message.op,
        inputs=tuple(message.inputs),
        kind=from_wire(LayerKind, models_pb2.LayerKind.Name, message.kind),
        output_shape=tuple(message.output_shape),
        feature_count=message.feature_count,
        parameter_count=message.parameter_count,
    )


def _lineage(message: models_pb2.Lineage) -> Lineage:
    return Lineage(
        job=message.job,
        parent=message.parent,
        spec=MappingProxyType(json_format.MessageToDict(message.spec, preserving_proto_field_name=True)),
        environment=MappingProxyType(dict(message.environment)),
    )
