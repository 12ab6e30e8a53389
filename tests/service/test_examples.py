"""The misclassified examples of an evaluation, page by page."""

import grpc
import numpy as np
import pytest
import redis

from convscope.store import JobStore
from convscope.store.jobs.attachments import Attachments, ExamplesBlob
from convscope.store.redis.keys import KEYS
from convscope.v1.evaluations_pb2 import Example, ListExamplesRequest, ListExamplesResponse
from convscope.v1.image_format_pb2 import ImageFormat
from convscope.v1.jobs_pb2 import Job
from convscope.v1.tensor_pb2 import ElementType, Tensor
from support.api import Api, pages_of, refused, violations
from support.part_jobs import claim, take_apart
from support.stored_images import Store

# Of the examples in each blob.
INDICES = [[3, 4, 9], [17], [20, 41]]
WANTED = [index for blob in INDICES for index in blob]

PNG = b"\x89PNG"


def example(index: int, shape: tuple[int, ...] = (6, 5, 1)) -> Example:
    data = np.full(shape, index / 100, "<f4").tobytes()
    pixels = Tensor(element_type=ElementType.ELEMENT_TYPE_FLOAT32, shape=shape, data=data)
    return Example(index=index, pixels=pixels, true_class=1, predicted_class=2, probability=0.5)


def evaluated(store: Store, blobs: list[list[Example]]) -> Job:
    """Return an evaluation that kept these examples."""
    job = store.evaluation()
    kept = [
        ExamplesBlob(blob[0].index, store.blobs.put(ListExamplesResponse(examples=blob).SerializeToString()))
        for blob in blobs
    ]
    claim(store.connection, job).succeed("", attachments=Attachments(examples=kept))
    return job


@pytest.fixture
def job(store: Store) -> Job:
    return evaluated(store, [[example(index) for index in blob] for blob in INDICES])


def pages(api: Api, job: Job, **fields: object) -> list[list[Example]]:
    request = ListExamplesRequest(parent=job.name, **fields)  # type: ignore[arg-type]
    return [list(page.examples) for page in pages_of(api.evaluations.ListExamples, request)]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 6, 7, -9, 5000])
def test_every_example_is_on_one_page(api: Api, job: Job, size: int) -> None:
    listed = pages(api, job, page_size=size)
    assert [listed_example for page in listed for listed_example in page] == [example(index) for index in WANTED]
    most = {0: 50, -9: 1}.get(size, size)
    assert max(map(len, listed)) <= most
    assert len(listed) == -(-len(WANTED) // most)


def test_large_examples_come_in_pages_that_every_client_takes(api: Api, store: Store) -> None:
    shape = (300, 300, 3)  # a MiB
    large = evaluated(store, [[example(index, shape)] for index in range(5)])
    listed = pages(api, large)
    assert [listed_example.index for page in listed for listed_example in page] == [0, 1, 2, 3, 4]
    assert len(listed) == 5  # two would take more than 2 MiB


def test_examples_as_pictures_or_without(api: Api, job: Job) -> None:
    (pictures,) = pages(api, job, image_format=ImageFormat.IMAGE_FORMAT_PNG)
    assert {picture.png[:4] for picture in pictures} == {PNG}
    assert not any(picture.HasField("pixels") for picture in pictures)
    (figures,) = pages(api, job, image_format=ImageFormat.IMAGE_FORMAT_NONE)
    assert [(item.index, item.png, item.HasField("pixels")) for item in figures] == [(i, b"", False) for i in WANTED]


def test_two_channels_are_no_picture(api: Api, store: Store) -> None:
    job = evaluated(store, [[example(1, (2, 2, 2))]])
    error = refused(lambda: pages(api, job, image_format=ImageFormat.IMAGE_FORMAT_PNG))
    assert list(violations(error)) == ["image_format"]


def test_an_evaluation_without_errors_has_an_empty_page(api: Api, store: Store) -> None:
    assert pages(api, evaluated(store, [])) == [[]]


def test_a_token_is_of_one_listing(api: Api, job: Job, store: Store) -> None:
    other = evaluated(store, [[example(1)], [example(2)]])
    token = api.evaluations.ListExamples(ListExamplesRequest(parent=job.name, page_size=1)).next_page_token
    taken = ListExamplesRequest(parent=other.name, page_token=token)
    assert refused(lambda: api.evaluations.ListExamples(taken)).code() == grpc.StatusCode.INVALID_ARGUMENT


def test_the_blobs_go_with_the_job(job: Job, connection: redis.Redis) -> None:
    digests = {blob.digest for blob in JobStore(connection).examples(job.name)}
    assert [connection.hget(KEYS["references"], digest) for digest in digests] == [b"1"] * len(INDICES)
    JobStore(connection).delete(job.name)
    assert take_apart(connection) == len(INDICES)
    assert not connection.exists(KEYS["references"])
