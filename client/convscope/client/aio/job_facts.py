"""Facts that a handle on a job has at once, without waiting for the server."""

# ruff: noqa: SLF001  the functions are this class's own

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from convscope.client.enums import JobKind
from convscope.client.errors import InvalidValue
from convscope.client.job_info import JobInfo

__all__ = ["AsyncJobFacts", "info_of", "model_of", "spec_of"]


class AsyncJobFacts(ABC):
    """The known facts of a job; a property cannot wait for the server, so ``refresh`` must have asked it before.

    Raises:
        InvalidValue: The fact is not known yet.
    """

    _name: str
    _info: JobInfo | None

    @property
    def kind(self) -> JobKind:
        """The kind of job: train, evaluate or visualize."""
        return self.info.kind

    @property
    def model(self) -> str:
        """``models/{id}`` that it creates, or that it reads. Other jobs may name it at once."""
        return self.info.model or self._unknown("model")

    @property
    def spec(self) -> Mapping[str, Any]:
        """What the job does; see ``JobInfo.spec``."""
        return self.info.spec or self._unknown("spec")

    @property
    def info(self) -> JobInfo:
        """How the job stood when the server was last asked."""
        return self._info or self._unknown("info")

    @abstractmethod
    async def refresh(self) -> JobInfo:
        """Ask the server how the job stands."""

    def _unknown(self, fact: str) -> Any:
        raise InvalidValue(f"{fact}: it is not known of {self._name} before `await job.refresh()`")


async def info_of(job: AsyncJobFacts) -> JobInfo:
    """Return the job's ``info``; ask the server if it is not known."""
    return job._info or await job.refresh()


async def model_of(job: AsyncJobFacts) -> str:
    """Return the job's ``model``; ask the server if it is not known."""
    return (await info_of(job)).model or (await job.refresh()).model


async def spec_of(job: AsyncJobFacts) -> Mapping[str, Any]:
    """Return the job's ``spec``; ask the server if it is not known."""
    return (await info_of(job)).spec or (await job.refresh()).spec
