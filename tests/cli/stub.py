"""A gateway that answers from a table, for tests of the client side."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Asked", "Script", "stub_gateway"]

Asked = dict[str, Any]
"""`method`, `path`, `headers` (lower case) and `body` (decoded, None without one) of a request."""

Script = Callable[[Asked], tuple[int, str, bytes]]
"""Answers a request with status, media type and body."""


@contextmanager
def stub_gateway(script: Script) -> Iterator[tuple[str, list[Asked]]]:
    """Its URL, and the list that requests are added to."""
    requests: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = {
                "method": self.command,
                "path": self.path,
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "body": json.loads(body) if body else None,
            }
            requests.append(asked)
            status, media_type, answer = script(asked)
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_DELETE = _any  # noqa: N815  # the names that the base class looks for

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
