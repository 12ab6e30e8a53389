"""Models that no training of this project makes, put where one would have left them."""

import keras
import redis

from convscope.engine.models.keras_files import model_to_bytes
from convscope.engine.models.network import describe
from convscope.store import Attempt, BlobStore, Claimant, JobStore, ModelStore
from convscope.v1.jobs_pb2 import Device, JobResult, JobSpec
from convscope.v1.models_pb2 import Interpretation, LayerKind, Model, ModelHead, ModelInput
from convscope.v1.train_pb2 import TrainResult, TrainSpec
from convscope.worker.executor import convert
from support.stack import Stack

__all__ = ["place"]


def place(stack: Stack, network: keras.Model) -> Model:
    """Have a convscope know a model, as that of a training that has succeeded."""
    blobs = BlobStore(stack.artifacts_url)
    file = model_to_bytes(network)
    layers = convert.layers(describe(network))
    head = next((layer for layer in reversed(layers) if layer.kind == LayerKind.LAYER_KIND_LOGITS), layers[-1])
    softmax = head.name != layers[-1].name
    described = Model(
        dataset="datasets/mnist",
        revision=1,
        interpretation=Interpretation(
            input=ModelInput(shape=network.input_shape[1:], black=0.0, white=1.0),
            head=ModelHead(kind=ModelHead.KIND_SOFTMAX if softmax else ModelHead.KIND_LOGITS, layer=head.name),
            classes=[str(number) for number in range(network.output_shape[-1])],
        ),
        layers=layers,
    )
    with redis.Redis.from_url(stack.redis_url) as connection:
        job, _ = JobStore(connection).create(
            JobSpec(train=TrainSpec()),
            request_digest="d",
            model=described,
            device=Device.DEVICE_GPU,  # which none of the workers has: they leave it to the test
        )
        attempt = Attempt.claim(connection, Claimant(worker="test", device="gpu"))
        assert attempt is not None
        model = ModelStore(connection).get(job.model)
        model.digest.sha256, model.digest.size_bytes = blobs.put(file), len(file)
        result = JobResult(train=TrainResult(model=model.name))
        attempt.succeed(blobs.put(result.SerializeToString()), model)
    return model
