"""Models and datasets as the server describes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from google.protobuf import json_format

from convscope.client.enums import Device, LayerKind, ModelState, Split, WorkerState, from_wire
from convscope.client.history import History
from convscope.client.times import time_from_wire
from convscope.v1 import datasets_pb2, jobs_pb2, models_pb2, workers_pb2

__all__ = ["Dataset", "Layer", "Lineage", "Model", "Worker"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer of a model.

    Attributes:
        name: Its name, unique in the model.
        kind: What it does.
        output_shape: Shape of its output for one image: (height, width, channels) or (units,).
        features: Number of features that can be visualized; 0 for layers without.
        parameters: Number of trained weights, biases included.
    """

    name: str
    kind: LayerKind
    output_shape: tuple[int, ...]
    features: int
    parameters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Where a model comes from.

    Attributes:
        job: `jobs/{id}` that made it.
        parent: `models/{id}` that it continues; empty if it started anew.
        spec: The training spec, every default filled in, as `JobInfo.spec`.
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
        name: `models/{id}`.
        state: Where it is in its life.
        dataset: `datasets/{id}` that it was trained on.
        input_shape: (height, width, channels) of its input, in pixels.
        classes: Names of the classes, by class number; empty in listings that are not full.
        layers: Its layers, from input to logits; empty in listings that are not full.
        parameters: Number of trained weights.
        step: Training steps, including those of the models that it continues.
        lineage: Where it comes from; empty in listings that are not full.
        history: The training curve; empty in listings.
        create_time: When its name was allotted, UTC.
        size_bytes: Size of its file; 0 unless it is ready.
        sha256: SHA-256 of its file in hexadecimal; empty unless it is ready.
    """

    name: str
    state: ModelState
    dataset: str
    input_shape: tuple[int, ...]
    classes: tuple[str, ...]
    layers: tuple[Layer, ...]
    parameters: int
    step: int
    lineage: Lineage
    history: History
    create_time: datetime
    size_bytes: int
    sha256: str

    @classmethod
    def from_wire(cls, message: models_pb2.Model) -> "Model":
        """The model of a message."""
        return cls(
            name=message.name,
            state=from_wire(ModelState, models_pb2.ModelState.Name, message.state),
            dataset=message.dataset,
            input_shape=tuple(message.input_shape),
            classes=tuple(message.classes),
            layers=tuple(_layer(layer) for layer in message.layers),
            parameters=message.parameters,
            step=message.step,
            lineage=_lineage(message.lineage),
            history=History.from_wire(message.history),
            create_time=time_from_wire(message.create_time),
            size_bytes=message.size_bytes,
            sha256=message.sha256,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A labelled set of images, all of one shape.

    Attributes:
        name: `datasets/{id}`.
        title: What it is, in one line.
        image_shape: (height, width, channels) of every image, in pixels; values span 0 to 1.
        classes: Names of the classes, by class number.
        splits: Number of examples of each split.
        source: Where it comes from and under which licence.
    """

    name: str
    title: str
    image_shape: tuple[int, ...]
    classes: tuple[str, ...]
    splits: Mapping[Split, int]
    source: str

    @classmethod
    def from_wire(cls, message: datasets_pb2.Dataset) -> "Dataset":
        """The dataset of a message."""
        splits = {from_wire(Split, datasets_pb2.Split.Name, size.split): size.examples for size in message.splits}
        return cls(
            name=message.name,
            title=message.title,
            image_shape=tuple(message.image_shape),
            classes=tuple(message.classes),
            splits=MappingProxyType(splits),
            source=message.source,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker of the server's.

    Attributes:
        name: `workers/{id}`.
        host: Name of the machine that it runs on.
        device: What it computes on: `cpu` or `gpu`.
        state: What it does.
        warm: Whether it waits with TensorFlow loaded; only if idle.
        job: `jobs/{id}` that it computes a part of; empty where it computes nothing.
        part: Number of that part, from 0.
        version: Version of its software.
        start_time: When it started, UTC; None if it did not tell.
        heartbeat_time: When it was heard of last, UTC.
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
        """The worker of a message."""
        return cls(
            name=message.name,
            host=message.host,
            device=from_wire(Device, jobs_pb2.Device.Name, message.device),
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


def _layer(message: models_pb2.Layer) -> Layer:
    return Layer(
        name=message.name,
        kind=from_wire(LayerKind, models_pb2.LayerKind.Name, message.kind),
        output_shape=tuple(message.output_shape),
        features=message.features,
        parameters=message.parameters,
    )


def _lineage(message: models_pb2.Lineage) -> Lineage:
    return Lineage(
        job=message.job,
        parent=message.parent,
        spec=MappingProxyType(json_format.MessageToDict(message.spec, preserving_proto_field_name=True)),
        environment=MappingProxyType(dict(message.environment)),
    )
