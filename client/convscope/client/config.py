"""What the client needs to know to reach a server, from arguments and environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from convscope.client.addresses import parse_address
from convscope.client.errors import InvalidValue

__all__ = ["DEFAULT_ADDRESS", "Config"]

DEFAULT_ADDRESS = "localhost:50051"
# Seconds a unary call may take.
DEFAULT_TIMEOUT = 30.0
# Seconds a watch tries to reach a server that went away.
DEFAULT_PATIENCE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Where the server is and how to talk to it.

    Attributes:
        address: ``HOST:PORT``, ``unix:/path`` or another form (see ``addresses``) when given; then as gRPC takes it.
        token: Bearer token sent with every call; None sends none.
        root_certificates: PEM file of the authorities to trust; given, the connection uses TLS.
        timeout: Seconds that a single call may take.
        patience: Seconds that a watch keeps trying to reach a server that went away.
        uri: The address as a URI, for gRPC.
        encrypted: Whether TLS is used: the address asks for it, or certificates are given.
        is_local: Whether what is sent to the address stays on this machine.
    """

    address: str = DEFAULT_ADDRESS
    token: str | None = field(default=None, repr=False)
    root_certificates: Path | None = None
    timeout: float = DEFAULT_TIMEOUT
    patience: float = DEFAULT_PATIENCE
    uri: str = field(init=False, repr=False, default="")
    encrypted: bool = field(init=False, default=False)
    is_local: bool = field(init=False, default=True)

    def __post_init__(self) -> None:
        parsed = parse_address(self.address)
        if parsed.encrypted is False and self.root_certificates:
            raise InvalidValue(
                f"address: {parsed.target} was given as one without TLS, and root_certificates (CONVSCOPE_TLS_CA) ask "
                "for it: write https://"
            )
        object.__setattr__(self, "address", parsed.target)
        object.__setattr__(self, "uri", parsed.uri)
        object.__setattr__(self, "encrypted", bool(parsed.encrypted or self.root_certificates))
        object.__setattr__(self, "is_local", parsed.is_local)
        if not self.timeout > 0:
            raise InvalidValue(f"timeout: {self.timeout!r} is not a positive number of seconds")
        if not self.patience >= 0:
            raise InvalidValue(f"patience: {self.patience!r} is not a number of seconds, 0 or more")
        if self.token and not (self.token.isascii() and self.token.isprintable()):
            raise InvalidValue("token: it (CONVSCOPE_TOKEN) has other characters than printable ASCII")
        if self.token and not (self.encrypted or self.is_local):
            raise InvalidValue(
                f"token: it would travel to {self.address} in clear; for TLS give root_certificates "
                "(CONVSCOPE_TLS_CA), or write https:// where the certificate is of a public authority"
            )

    @classmethod
    def from_environment(
        cls,
        *,
        address: str | None = None,
        token: str | None = None,
        root_certificates: str | os.PathLike[str] | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        patience: float = DEFAULT_PATIENCE,
        environ: Mapping[str, str] = os.environ,
    ) -> "Config":
        """Return what is given, else CONVSCOPE_ADDRESS, CONVSCOPE_TOKEN and CONVSCOPE_TLS_CA, else the defaults.

        An empty token or file means none, even if the environment has one.

        Raises:
            InvalidValue: An invalid address, a time that is not positive, a token that would travel in clear.
        """
        certificates = environ.get("CONVSCOPE_TLS_CA") if root_certificates is None else root_certificates
        if not address and (address := environ.get("CONVSCOPE_ADDRESS")):
            parse_address(address, setting="CONVSCOPE_ADDRESS")
        return cls(
            address=address or DEFAULT_ADDRESS,
            token=(environ.get("CONVSCOPE_TOKEN") if token is None else token) or None,
            root_certificates=Path(certificates) if certificates else None,
            timeout=timeout,
            patience=patience,
        )
