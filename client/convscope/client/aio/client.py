"""The client: one object, a method for everything the server does."""

import os
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from convscope.client import checks
from convscope.client.aio.connection import AsyncConnection
from convscope.client.aio.downloads import export_model
from convscope.client.aio.image_listing import AsyncVisualizations, list_images
from convscope.client.aio.jobs import AsyncJob
from convscope.client.aio.listings import listed, model_history
from convscope.client.aio.naming import AsyncModelLike, model_name
from convscope.client.aio.runtime import compute
from convscope.client.config import DEFAULT_PATIENCE, DEFAULT_TIMEOUT, Config
from convscope.client.enums import Split
from convscope.client.evaluation import EvaluateResult
from convscope.client.history import History
from convscope.client.image_filters import Chosen
from convscope.client.images import Image
from convscope.client.job_info import JobInfo
from convscope.client.listing_requests import jobs_request, models_request, workers_request
from convscope.client.network import Convolution, Dense, network_message
from convscope.client.objectives import Objectives
from convscope.client.render import RenderLike
from convscope.client.resources import Dataset, Model, Worker
from convscope.client.results import TrainResult, VisualizeResult
from convscope.client.selections import Layers
from convscope.client.server_info import ServerInfo
from convscope.client.submitting import create_request, evaluate_spec, train_spec
from convscope.client.visualize_spec import visualize_spec
from convscope.v1 import datasets_pb2, jobs_pb2, models_pb2, server_pb2

__all__ = ["AsyncClient"]


class AsyncClient:
    """A connection to a convscope server. Use it as a context manager, or ``close`` it.

    Args:
        address: ``HOST:PORT``, ``https://HOST:PORT`` for TLS, or ``unix:/path``. Default: CONVSCOPE_ADDRESS, else
            ``localhost:50051``.
        token: Bearer token, "" for none. Default: CONVSCOPE_TOKEN.
        root_certificates: PEM file of the authorities to trust: TLS is used; "" for none. Default: CONVSCOPE_TLS_CA.
        timeout: Seconds that a single call may take.
        patience: Seconds that a watch keeps trying to reach a server that went away.

    Raises:
        InvalidValue: An invalid address, certificates that cannot be read, a token that would travel in clear.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        token: str | None = None,
        root_certificates: str | os.PathLike[str] | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        patience: float = DEFAULT_PATIENCE,
    ) -> None:
        self._connection = AsyncConnection(
            Config.from_environment(
                address=address, token=token, root_certificates=root_certificates, timeout=timeout, patience=patience
            )
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def address(self) -> str:
        """Where the server is."""
        return self._connection.config.address

    async def close(self) -> None:
        """End the connection, and every watch on it. Jobs keep running."""
        await self._connection.close()

    async def train(
        self,
        *,
        dataset: str | Dataset | None = None,
        convolutions: Iterable[int | Convolution | Mapping[str, Any]] | None = None,
        dense: Iterable[int | Dense | Mapping[str, Any]] | None = None,
        learning_rate: float | None = None,
        precision: str | None = None,
        batch_size: int | None = None,
        iterations: int | None = None,
        report_interval: int | None = None,
        validation_interval: int | None = None,
        seed: int = 0,
        continue_from: AsyncModelLike | None = None,
        model_id: str | None = None,
        request_id: str | None = None,
        priority: str | None = None,
        device: str | None = None,
        display_name: str = "",
        labels: Mapping[str, str] | None = None,
        timeout: float | None = None,
        validate_only: bool = False,
    ) -> AsyncJob[TrainResult]:
        """Submit a training: softmax cross-entropy, minimized with Adam. What is left out has the tutorial's value.

        Args:
            dataset: ``datasets/{id}``. Default ``datasets/mnist``, or the dataset of ``continue_from``.
            convolutions: Convolutions from the image on, each a number of filters or a ``Convolution``; [] for none.
                Default: 16 and 36 filters of 5x5, each with ReLU and 2x2 max-pooling.
            dense: Hidden dense layers, each a number of units or a ``Dense``; [] for none. Default: 128 units, ReLU.
            learning_rate: Adam's, greater than 0 and at most 1. Default 1e-4.
            precision: ``float32`` or ``bfloat16`` (activations and gradients; weights stay float32). Default float32.
            batch_size: Images per step, 1 to 8192. Default 64.
            iterations: Steps, 0 to 10,000,000; 0 gives the network as initialized. Default 10,000.
            report_interval: Steps between reports. Default 100.
            validation_interval: Steps between measurements on the whole validation split; 0 for never. Default 0.
            seed: Decides the initial weights and the order of the examples.
            continue_from: Model to resume from: weights, optimizer state and step count. It may still be in training.
                Not with ``convolutions`` or ``dense``.
            model_id: Id of the model that it creates: at most 64 of a-z, 0-9, ``-`` and ``_``. Default: chosen by the
                server.
            request_id: Makes the submission safe to repeat: the same id with the same arguments is the same job.
            priority: How soon the job is started: ``low``, ``normal`` or ``high``. Default ``normal``.
            device: What it is to run on: ``any``, ``cpu`` or ``gpu``. Default ``any``.
            display_name: What people call the job, at most 200 characters; need not be unique.
            labels: What programs find it by: up to 64 names, each with a value of at most 255 characters. A name has 1
                to 63 of a-z, 0-9, ``-``, ``_`` and ``.``.
            timeout: Seconds that it may run from its first start on, 1 to 31,536,000 (a year); then it fails.
                Default: no limit.
            validate_only: Only have the server check it: nothing is submitted. The job that is returned has no name;
                its ``info`` has every default filled in, and an estimate of what it would take.

        Raises:
            InvalidValue, InvalidType: A value that cannot be right; nothing was sent.
            InvalidArgument: The server refuses what does not fit its models or datasets; ``fields`` names it.
            NotFound: Unknown dataset or model.
            FailedPrecondition: The model's training failed.
            AlreadyExists: There is a model of this id, or ``request_id`` was used with another job.
            Unavailable: No server, or its Redis is away.
        """
        spec = train_spec(
            dataset=dataset,
            network=network_message(convolutions, dense),
            learning_rate=learning_rate,
            precision=precision,
            batch_size=batch_size,
            iterations=iterations,
            report_interval=report_interval,
            validation_interval=validation_interval,
            seed=seed,
            continue_from=None if continue_from is None else await model_name("continue_from", continue_from),
            model_id=model_id,
        )
        return await self._create(
            jobs_pb2.JobSpec(train=spec),
            request_id=request_id,
            priority=priority,
            device=device,
            display_name=display_name,
            labels=labels,
            timeout=timeout,
            validate_only=validate_only,
        )

    async def evaluate(
        self,
        model: AsyncModelLike,
        *,
        split: str = Split.TEST,
        batch_size: int | None = None,
        max_errors: int | None = None,
        request_id: str | None = None,
        priority: str | None = None,
        device: str | None = None,
        display_name: str = "",
        labels: Mapping[str, str] | None = None,
        timeout: float | None = None,
        validate_only: bool = False,
    ) -> AsyncJob[EvaluateResult]:
        """Submit an evaluation: the model classifies a whole split.

        Args:
            model: The model, or the training that creates it: the evaluation then waits for it.
            split: Name of a split of the model's dataset: ``test``, ``validation``, ``train``.
            batch_size: Images per batch, 1 to 8192; no figure depends on it. Default 256.
            max_errors: How many misclassified examples to return, 0 to 1000. Default 9.
            request_id: As in ``train``.
            priority: As in ``train``.
            device: As in ``train``.
            display_name: As in ``train``.
            labels: As in ``train``.
            timeout: As in ``train``.
            validate_only: As in ``train``.

        Raises:
            ConvscopeError: As in ``train``.
        """
        spec = evaluate_spec(await model_name("model", model), split, batch_size, max_errors)
        return await self._create(
            jobs_pb2.JobSpec(evaluate=spec),
            request_id=request_id,
            priority=priority,
            device=device,
            display_name=display_name,
            labels=labels,
            timeout=timeout,
            validate_only=validate_only,
        )

    async def visualize(
        self,
        model: AsyncModelLike,
        layers: Layers = None,
        *,
        objectives: Objectives = None,
        preset: str | None = None,
        render: RenderLike = None,
        iterations: int | None = None,
        restarts: int | None = None,
        keep: str | None = None,
        seed: int = 0,
        trace: bool = False,
        frames: int = 0,
        recompute: bool = False,
        request_id: str | None = None,
        priority: str | None = None,
        device: str | None = None,
        display_name: str = "",
        labels: Mapping[str, str] | None = None,
        timeout: float | None = None,
        validate_only: bool = False,
    ) -> AsyncJob[VisualizeResult]:
        """Submit a visualization: for each chosen feature and objective, the image that maximizes it.

        Args:
            model: The model, or the training that creates it: the visualization then waits for it.
            layers: A layer's name (``conv1``, ``dense1``, ``logits``) or index among the convolutions, a list of
                layers, or a mapping of layers to features: a number, a list, a range or slice, or None for all.
                Default: every feature of every layer that has some; none if there are ``objectives``.
            objectives: What else to maximize (see ``convscope.client.objectives``): one, a list, or a mapping of names.
            preset: Where all settings come from that are left out: ``tutorial`` or ``robust``. Default ``tutorial``.
            render: Settings that differ from the preset's, as a ``Render`` or by name: ``{"transforms.jitter": 0.1}``.
            iterations: Ascent steps per image, 1 to 10,000. Default: the preset's, 30 for the tutorial.
            restarts: Ascents of each feature, from different starts, 1 to 1,000. Default 1.
            keep: Which of them to return, ``best`` or ``all``. Default ``best``.
            seed: Decides starting images and transforms. The same seed gives the same bits.
            trace: Whether to record what happens at each iteration.
            frames: How many intermediate images to keep with each image, evenly spaced from the start to the image
                after the last update, 0 to 256 and at most ``iterations`` + 1.
            recompute: Whether to compute images that are stored already.
            request_id: As in ``train``.
            priority: As in ``train``.
            device: As in ``train``.
            display_name: As in ``train``.
            labels: As in ``train``.
            timeout: As in ``train``.
            validate_only: As in ``train``.

        Raises:
            ConvscopeError: As in ``train``.
        """
        spec = visualize_spec(
            await model_name("model", model),
            layers,
            objectives,
            preset=preset,
            render=render,
            iterations=iterations,
            restarts=restarts,
            keep=keep,
            seed=seed,
            trace=trace,
            frames=frames,
            recompute=recompute,
        )
        return await self._create(
            jobs_pb2.JobSpec(visualize=spec),
            request_id=request_id,
            priority=priority,
            device=device,
            display_name=display_name,
            labels=labels,
            timeout=timeout,
            validate_only=validate_only,
        )

    def images(
        self,
        job: AsyncJob[VisualizeResult] | str,
        layers: Chosen = None,
        *,
        objectives: str | Iterable[str] = (),
        image_format: str = "float32",
    ) -> AsyncIterator[Image]:
        """List a visualization's images that are ready, in the order of its spec; pages are fetched as needed.

        Args:
            job: The visualization, which may still run.
            layers: Only images of these: a layer's name, a list of names, or a mapping of names to features as in
                ``visualize``. Default: all images, or only those of ``objectives`` where these are given.
            objectives: Only images of the objectives of these names, besides those of ``layers``.
            image_format: ``float32``; ``png`` for the best image as a file, without pixels and trace; ``none`` for
                facts about the image only.

        Raises:
            InvalidValue, InvalidType: A value that cannot be right; nothing was sent.
            NotFound: No such job.
            InvalidArgument: The job is not a visualization, or does not have this layer, feature or objective.
            DataLoss: An image is missing or damaged.
        """
        return list_images(self._connection, job, layers, objectives, image_format)

    @property
    def visualizations(self) -> AsyncVisualizations:
        """The images of visualizations, also while they run: listed, fetched, exported."""
        return AsyncVisualizations(self._connection)

    def job(self, name: str) -> AsyncJob[Any]:
        """Return a handle on the job ``jobs/{id}``, or of the bare id; the server is asked when the handle is used."""
        return AsyncJob(self._connection, checks.resource_name("jobs", name))

    def jobs(
        self,
        *,
        states: str | Iterable[str] = (),
        kinds: str | Iterable[str] = (),
        labels: Mapping[str, str] | None = None,
        newest_first: bool = True,
    ) -> AsyncIterator[AsyncJob[Any]]:
        """List all jobs; pages are fetched as needed.

        Args:
            states: Only items in one of these states.
            kinds: Only jobs of one of these kinds.
            labels: Only jobs that have all of these labels, with these values.
            newest_first: The newest first, else the oldest.
        """
        request = jobs_request(states, kinds, labels, newest_first=newest_first)
        return listed(
            self._connection, self._connection.jobs.ListJobs, request, lambda page: map(self._handle, page.jobs)
        )

    def models(
        self,
        *,
        states: str | Iterable[str] = (),
        datasets: str | Dataset | Iterable[str | Dataset] = (),
        newest_first: bool = True,
        full: bool = False,
    ) -> AsyncIterator[Model]:
        """List all models; pages are fetched as needed.

        Args:
            states: Only items in one of these states.
            datasets: Only models trained on one of these.
            newest_first: The newest first, else the oldest.
            full: With classes, layers and lineage, which are empty otherwise.
        """
        request = models_request(states, datasets, newest_first=newest_first, full=full)
        return listed(
            self._connection,
            self._connection.models.ListModels,
            request,
            lambda page: map(Model.from_wire, page.models),
        )

    async def model(self, name: AsyncModelLike) -> Model:
        """Return the model of this name.

        Raises:
            NotFound: There is no such model.
        """
        request = models_pb2.GetModelRequest(name=await model_name("model", name))
        message = await self._connection.call(self._connection.models.GetModel, request)
        return await compute(Model.from_wire, message)

    async def history(self, name: AsyncModelLike) -> History:
        """Return the training curve of the model of this name, including those of the models that it continues.

        It is empty until the model is ready.

        Raises:
            NotFound: There is no such model.
            DataLoss: The curve is missing or damaged; the model itself is not affected.
        """
        return await model_history(self._connection, await model_name("model", name))

    async def export_model(self, name: AsyncModelLike, path: str | os.PathLike[str]) -> Path:
        """Save the model as a Keras file. It appears at ``path`` only when it is whole and its SHA-256 is right.

        Raises:
            FailedPrecondition: The model is not ready.
            DataLoss: The stored file is missing or damaged, or what arrived is.
            OSError: The folder does not exist or cannot be written.
        """
        return await export_model(self._connection, await model_name("model", name), Path(path))

    async def delete_model(self, name: AsyncModelLike) -> None:
        """Delete the model. Jobs that already run on it continue."""
        request = models_pb2.DeleteModelRequest(name=await model_name("model", name))
        await self._connection.call(self._connection.models.DeleteModel, request)

    def datasets(self) -> AsyncIterator[Dataset]:
        """List all datasets, by name."""
        request = datasets_pb2.ListDatasetsRequest()
        return listed(
            self._connection,
            self._connection.datasets.ListDatasets,
            request,
            lambda page: map(Dataset.from_wire, page.datasets),
        )

    async def dataset(self, name: str) -> Dataset:
        """Return the dataset of this name, ``datasets/{id}`` or the bare id."""
        request = datasets_pb2.GetDatasetRequest(name=checks.resource_name("datasets", name))
        return Dataset.from_wire(await self._connection.call(self._connection.datasets.GetDataset, request))

    async def info(self) -> ServerInfo:
        """Return what the server is, and what it allows."""
        return ServerInfo.from_wire(
            await self._connection.call(self._connection.server.GetServerInfo, server_pb2.GetServerInfoRequest())
        )

    def workers(self, *, devices: str | Iterable[str] = (), states: str | Iterable[str] = ()) -> AsyncIterator[Worker]:
        """List the workers heard of in the last minute, by name, or those with one of these devices and states."""
        request = workers_request(devices, states)
        return listed(
            self._connection,
            self._connection.workers.ListWorkers,
            request,
            lambda page: map(Worker.from_wire, page.workers),
        )

    async def _create(self, spec: jobs_pb2.JobSpec, **job: Any) -> AsyncJob[Any]:
        request = create_request(spec, **job)
        return self._handle(await self._connection.call(self._connection.jobs.CreateJob, request))

    def _handle(self, message: jobs_pb2.Job) -> AsyncJob[Any]:
        return AsyncJob(self._connection, message.name, JobInfo.from_wire(message))
