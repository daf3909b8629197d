"""A registry with the published API (v0.1), from a list of `server.json`s."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

__all__ = ["Double", "registry_double"]

META = "io.modelcontextprotocol.registry/official"


class Double:
    """`answer` replaces what it would say; `asked` are the paths of requests."""

    def __init__(self, servers: list[dict[str, Any]]) -> None:
        self.servers = servers
        self.asked: list[str] = []
        self.answer: tuple[int, bytes, dict[str, str]] | None = None
        self.url = ""

    def says(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        self.asked.append(path)
        if self.answer is not None:
            return self.answer
        parts = urlsplit(path)
        pieces = parts.path.split("/")
        if parts.path == "/v0.1/servers":
            return 200, json.dumps(self._page(parse_qs(parts.query))).encode(), {}
        if len(pieces) == 6 and pieces[:3] == ["", "v0.1", "servers"] and pieces[4] == "versions":
            found = [one for one in self._named(unquote(pieces[3])) if unquote(pieces[5]) in ("latest", one["version"])]
            if found:
                return 200, json.dumps(_wrapped(found[-1])).encode(), {}
        return 404, b'{"error": "Server not found"}', {}

    def _page(self, query: dict[str, list[str]]) -> dict[str, Any]:
        words = query.get("search", [""])[0]
        limit = int(query.get("limit", ["30"])[0])
        start = int(query.get("cursor", ["0"])[0])
        found = [one for one in self.servers if words in one["name"]]
        page = found[start : start + limit]
        more = {"nextCursor": str(start + limit)} if start + limit < len(found) else {}
        return {"servers": [_wrapped(one) for one in page], "metadata": {"count": len(page), **more}}

    def _named(self, name: str) -> list[dict[str, Any]]:
        return [one for one in self.servers if one["name"] == name]


def _wrapped(server: dict[str, Any]) -> dict[str, Any]:
    status = server.get("status", "active")
    return {"server": server, "_meta": {META: {"status": status, "isLatest": True}}}


@contextmanager
def registry_double(servers: list[dict[str, Any]]) -> Iterator[Double]:
    double = Double(servers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body, head = double.says(self.path)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **head}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        double.url = f"http://127.0.0.1:{server.server_port}"
        yield double
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
