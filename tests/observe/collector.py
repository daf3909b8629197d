"""A collector on loopback that takes what OTLP/HTTP says it takes, and decodes it with the official definitions."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

__all__ = ["Collector", "collector"]


class Collector:
    """`statuses` are the answers to come, the last one for ever; `rejects` spans of each request are left out."""

    def __init__(self) -> None:
        self.url = ""
        self.statuses = [200]
        self.rejects = 0
        self.requests: list[ExportTraceServiceRequest] = []
        self.headers: list[dict[str, str]] = []
        self.arrived = threading.Semaphore(0)

    def names(self) -> list[str]:
        return [
            span.name
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@contextmanager
def collector() -> Iterator[Collector]:
    double = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/v1/traces"
            assert self.headers["Content-Type"] == "application/x-protobuf"
            status = double.statuses.pop(0) if len(double.statuses) > 1 else double.statuses[0]
            double.headers.append({name.lower(): value for name, value in self.headers.items()})
            if status == 200:
                double.requests.append(ExportTraceServiceRequest.FromString(body))
            partial = ExportTracePartialSuccess(rejected_spans=double.rejects, error_message="too many" * 40)
            answer = ExportTraceServiceResponse(partial_success=partial if double.rejects else None).SerializeToString()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
            double.arrived.release()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    double.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield double
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
