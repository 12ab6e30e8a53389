"""Settings of the service, read from the environment once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from convscope.service.addresses import parse_listen
from convscope.store import Variables

__all__ = ["DEFAULT_LISTEN", "DEFAULT_MAX_COST", "ServiceSettings"]

# Reachable from this machine only.
DEFAULT_LISTEN = "localhost:50051"

# Seconds that one worker may take for a visualization, by estimate: a week.
DEFAULT_MAX_COST = 7 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """Address and protection of the service.

    Attributes:
        listen: ``HOST:PORT`` or ``unix:/PATH`` (``CONVSCOPE_LISTEN``).
        certificate: PEM file of the server's certificate chain (``CONVSCOPE_TLS_CERT``).
        key: PEM file of its private key (``CONVSCOPE_TLS_KEY``).
        token: what clients must present (``CONVSCOPE_TOKEN``).
        insecure: permit other machines to connect without TLS and token (``CONVSCOPE_INSECURE=1``).
        max_cost: seconds that one worker may take for a visualization, by estimate (``CONVSCOPE_MAX_COST``).

    Raises:
        ValueError: for settings that contradict each other or would expose an unprotected service.
    """

    listen: str = DEFAULT_LISTEN
    certificate: Path | None = None
    key: Path | None = None
    token: str | None = field(default=None, repr=False)
    insecure: bool = False
    max_cost: float = DEFAULT_MAX_COST

    def __post_init__(self) -> None:
        """Refuse half of a TLS configuration, and an unprotected address that other machines can reach."""
        object.__setattr__(self, "listen", parse_listen(self.listen).target)
        if (self.certificate is None) != (self.key is None):
            raise ValueError("CONVSCOPE_TLS_CERT and CONVSCOPE_TLS_KEY must be set together")
        for variable, path in (("CONVSCOPE_TLS_CERT", self.certificate), ("CONVSCOPE_TLS_KEY", self.key)):
            if path is not None and not path.is_file():
                raise ValueError(f"{variable} is {path}, which is not a file")
        protected = self.certificate is not None and self.token
        if not (self.is_local or protected or self.insecure):
            raise ValueError(
                f"{self.listen} can be reached from other machines; set CONVSCOPE_TLS_CERT, CONVSCOPE_TLS_KEY and "
                "CONVSCOPE_TOKEN, or CONVSCOPE_INSECURE=1 if the network protects it"
            )

    @property
    def is_local(self) -> bool:
        """Whether only this machine can connect."""
        return parse_listen(self.listen).is_local

    @classmethod
    def from_environment(
        cls, listen: str | None = None, environment: Mapping[str, str] = os.environ
    ) -> "ServiceSettings":
        """Read the environment; an address in ``listen`` takes precedence."""
        variables = Variables(environment)
        return cls(
            listen=listen or variables.text("CONVSCOPE_LISTEN") or DEFAULT_LISTEN,
            certificate=variables.path("CONVSCOPE_TLS_CERT"),
            key=variables.path("CONVSCOPE_TLS_KEY"),
            token=variables.secret("CONVSCOPE_TOKEN"),
            insecure=variables.is_on("CONVSCOPE_INSECURE"),
            max_cost=variables.seconds("CONVSCOPE_MAX_COST", DEFAULT_MAX_COST),
        )
