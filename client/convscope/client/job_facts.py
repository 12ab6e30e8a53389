"""What a handle on a job tells without a call of one's own; `aio.job_facts` is its like for asyncio."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from convscope.client.enums import JobKind
from convscope.client.job_info import JobInfo

__all__ = ["JobFacts", "info_of", "model_of", "spec_of"]


class JobFacts(ABC):
    """Asks the server for what is not known yet."""

    _info: JobInfo | None

    @property
    def kind(self) -> JobKind:
        """Train, evaluate or visualize."""
        return self.info.kind

    @property
    def model(self) -> str:
        """`models/{id}` that it makes, or that it looks at. Other jobs may name it at once."""
        return self.info.model or self.refresh().model

    @property
    def spec(self) -> Mapping[str, Any]:
        """What it does; see `JobInfo.spec`."""
        return self.info.spec or self.refresh().spec

    @property
    def info(self) -> JobInfo:
        """How the job stood when the server was last asked; it is asked now if it never was."""
        return self._info or self.refresh()

    @abstractmethod
    def refresh(self) -> JobInfo:
        """Asks the server how the job stands."""


def info_of(job: JobFacts) -> JobInfo:
    """The job's `info`, asked for if need be."""
    return job.info


def model_of(job: JobFacts) -> str:
    """The job's `model`, asked for if need be."""
    return job.model


def spec_of(job: JobFacts) -> Mapping[str, Any]:
    """The job's `spec`, asked for if need be."""
    return job.spec
