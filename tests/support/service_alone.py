"""``convscope serve`` by itself, and its health."""

from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.service_alone import service_alone
from support.api import PATIENCE_S, Api

__all__ = ["NOT_SERVING", "SERVING", "await_health", "service_alone"]

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def await_health(api: Api, wanted: int) -> None:
    watch = health_pb2_grpc.HealthStub(api.channel).Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S)
    for answer in watch:
        if answer.status == wanted:
            watch.cancel()
            return
