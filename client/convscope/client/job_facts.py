"""Facts that a handle on a job has, or asks the server for; ``aio.job_facts`` is for asyncio."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from convscope.client.enums import JobKind
from convscope.client.job_info import JobInfo

__all__ = ["JobFacts", "info_of", "model_of", "spec_of"]


class JobFacts(ABC):
    """The facts of a job; what is not known yet is asked for."""

    _info: JobInfo | None

    @property
    def kind(self) -> JobKind:
        """The kind of job: train, evaluate or visualize."""
        return self.info.kind

    @property
    def model(self) -> str:
        """``models/{id}`` that it creates, or that it reads. Other jobs may name it at once."""
        return self.info.model or self.refresh().model

    @property
    def spec(self) -> Mapping[str, Any]:
        """What the job does; see ``JobInfo.spec``."""
        return self.info.spec or self.refresh().spec

    @property
    def info(self) -> JobInfo:
        """How the job stood when the server was last asked; it is asked now if it never was."""
        return self._info or self.refresh()

    @abstractmethod
    def refresh(self) -> JobInfo:
        """Ask the server how the job stands."""


def info_of(job: JobFacts) -> JobInfo:
    """Return the job's ``info``; ask the server if it is not known."""
    return job.info


def model_of(job: JobFacts) -> str:
    """Return the job's ``model``; ask the server if it is not known."""
    return job.model


def spec_of(job: JobFacts) -> Mapping[str, Any]:
    """Return the job's ``spec``; ask the server if it is not known."""
    return job.spec
