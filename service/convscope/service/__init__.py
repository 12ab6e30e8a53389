"""The gRPC front: checks requests, stores jobs, streams their events. Knows no TensorFlow."""

from convscope.service.server import serve
from convscope.service.settings import ServiceSettings

__all__ = ["ServiceSettings", "serve"]
