"""The type of a call, as the methods of services receive it."""

from typing import Any, TypeAlias

import grpc  # noqa: TC002 - named in an alias

__all__ = ["Context"]

# In quotes: grpcio's classes are generic only for type checkers.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
