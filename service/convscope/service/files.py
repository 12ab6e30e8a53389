"""The Files service."""

from collections.abc import AsyncIterator

from google.protobuf.timestamp_pb2 import Timestamp

from convscope.service.backend import Backend
from convscope.service.calls import Context
from convscope.service.paging import cut_page, place_before
from convscope.store import NotFoundError, StoredFile, file_name, parse_file_name
from convscope.v1 import files_pb2_grpc
from convscope.v1.digest_pb2 import Digest
from convscope.v1.files_pb2 import File, ListFilesRequest, ListFilesResponse, ReadFileRequest, ReadFileResponse

__all__ = ["FilesService"]


class FilesService(files_pb2_grpc.FilesServicer):
    """Implements ``convscope.v1.Files``; the contract's comments say what each call does."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def ListFiles(self, request: ListFilesRequest, context: Context) -> ListFilesResponse:  # noqa: N802
        """List a job's files by name."""
        return await self._backend.run(_list, self._backend, request)

    async def ReadFile(  # noqa: N802
        self, request: ReadFileRequest, context: Context
    ) -> AsyncIterator[ReadFileResponse]:
        """Send a file."""
        job, _ = parse_file_name(request.name)
        file = await self._backend.run(_find, self._backend, request.name)
        pieces = self._backend.read(file.digest, file.size, request.offset, look_up=self._backend.jobs.get, name=job)
        async for data in pieces:
            yield ReadFileResponse(data=data)


def _list(backend: Backend, request: ListFilesRequest) -> ListFilesResponse:
    before = place_before(request)
    job = backend.jobs.get(request.parent)
    stored = (_file(job.name, file, job.end_time) for file in backend.jobs.files(job.name))
    ordered = sorted(stored, key=_escaped)
    files, token = cut_page(request, (file for file in ordered if _escaped(file) > before), _escaped)
    return ListFilesResponse(files=files, next_page_token=token)


def _file(job: str, file: StoredFile, time: Timestamp) -> File:
    digest = Digest(sha256=file.digest, size_bytes=file.size)
    return File(name=file_name(job, file.name), media_type=file.media_type, digest=digest, create_time=time)


def _escaped(file: File) -> str:
    return file.name.rpartition("/")[2]


def _find(backend: Backend, name: str) -> StoredFile:
    """Return the file with a resource name.

    Raises:
        ValueError: if the name is malformed.
        NotFoundError: if the job does not exist or has no such file.
    """
    job, wanted = parse_file_name(name)
    for file in backend.jobs.files(job):
        if file.name == wanted:
            return file
    raise NotFoundError(f"{job} has no file {wanted!r}")
