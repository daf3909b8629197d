"""An ASGI application as what answers a request."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from toolgate.http.request import Head, Request

__all__ = ["AsgiApplication", "Receive", "Scope", "Send", "answer", "respond"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApplication = Callable[[Scope, Receive, Send], Awaitable[None]]


async def answer(request: Request, app: AsgiApplication) -> None:
    """Run `app` for one request (ASGI 3.0, HTTP)."""
    bridge = _Bridge(request)
    await app(_scope(request), bridge.receive, bridge.send)
    request.end()


def _scope(request: Request) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": request.version,
        "method": request.method,
        "scheme": "http",
        "path": request.path,
        "raw_path": request.path.encode(),
        "query_string": request.query.encode("latin-1"),
        "root_path": "",
        "headers": request.headers.pairs,
        "state": {"context": request.context},
    }


class _Bridge:
    def __init__(self, request: Request) -> None:
        self._request = request
        self._given = False
        self._start: MutableMapping[str, Any] = {}

    async def receive(self) -> MutableMapping[str, Any]:
        if not self._given:
            self._given = True
            return {"type": "http.request", "body": self._request.body, "more_body": False}
        await self._request.left()
        return {"type": "http.disconnect"}

    async def send(self, event: MutableMapping[str, Any]) -> None:
        if event["type"] == "http.response.start":
            self._start = event
            return
        body, more = event.get("body", b""), event.get("more_body", False)
        request = self._request
        if not request.begun and not more:
            fields = [(name, value) for name, value in self._start["headers"] if name.lower() != b"content-length"]
            request.respond(self._start["status"], body, fields, content=b"")
            return
        if not request.begun:
            request.begin(self._start["status"], self._start["headers"])
        request.write(body)
        if more:
            await request.drained()
        else:
            request.end()


async def respond(send: Send, status: int, body: bytes, head: Head = (), content: bytes = b"application/json") -> None:
    """A whole response."""
    fields = [(b"content-type", content), (b"content-length", str(len(body)).encode()), *head]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})
