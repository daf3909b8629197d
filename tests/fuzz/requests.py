"""Requests of both eras as a good client sends them, and as bytes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from tests.fuzz.dice import written
from tests.inbound.conftest import BOTH, MODERN, modern_meta

__all__ = ["Head", "Request", "any_request", "legacy", "modern"]

Head = list[tuple[bytes, bytes]]

_CALLS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("tools/list", {}),
    ("tools/list", {"cursor": "x"}),
    ("prompts/list", {}),
    ("resources/list", {}),
    ("resources/templates/list", {}),
    ("tools/call", {"name": "one__look", "arguments": {"a": [1, {"b": None}]}}),
    ("tools/call", {"name": "one__report", "arguments": {}}),
    ("tools/call", {"name": "one__ask", "arguments": {}}),
    ("prompts/get", {"name": "one__ask", "arguments": {"x": "y"}}),
    ("resources/read", {"uri": "t://a"}),
    (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "one__ask"}, "argument": {"name": "x", "value": ""}},
    ),
    (
        "completion/complete",
        {"ref": {"type": "ref/resource", "uri": "t://{x}/y"}, "argument": {"name": "x", "value": ""}},
    ),
)
_MODERN: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("server/discover", {}),
    ("subscriptions/listen", {"notifications": {"toolsListChanged": True, "resourceSubscriptions": ["t://a"]}}),
    ("tools/call", {"name": "one__ask", "inputResponses": {"input-1": {"action": "accept"}}, "requestState": "tg1.x"}),
    ("notifications/cancelled", {"requestId": 1}),
)
_LEGACY: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("ping", {}),
    ("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}),
    ("logging/setLevel", {"level": "info"}),
    ("resources/subscribe", {"uri": "t://a"}),
    ("resources/unsubscribe", {"uri": "t://a"}),
    ("notifications/initialized", {}),
    ("notifications/cancelled", {"requestId": 1}),
)


@dataclass
class Request:
    """`message` may be any JSON; `head` leaves out what frames the body."""

    message: Any
    head: Head
    verb: bytes = b"POST"
    path: bytes = b"/mcp"
    body: bytes | None = field(default=None)

    def wire(self) -> bytes:
        body = written(self.message) if self.body is None else self.body
        framing = [(b"Content-Length", b"%d" % len(body))] if self.verb == b"POST" else []
        return raw(self.verb, self.path, [*self.head, *framing], body if framing else b"")


def raw(verb: bytes, path: bytes, head: Head, body: bytes) -> bytes:
    return verb + b" " + path + b" HTTP/1.1\r\n" + b"".join(b"%s: %s\r\n" % line for line in head) + b"\r\n" + body


def _head(more: Mapping[str, str]) -> Head:
    given = {"Host": "127.0.0.1", "Content-Type": "application/json", "Accept": BOTH, **more}
    return [(name.encode(), value.encode()) for name, value in given.items()]


def modern(method: str, params: dict[str, Any], key: Any = 1) -> Request:
    meta = modern_meta(**{"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}, "progressToken": 1})
    mirrored = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
    if name := params.get("name", params.get("uri")):
        mirrored["Mcp-Name"] = name
    return Request(_message(method, {"_meta": meta, **params}, key), _head(mirrored))


def legacy(method: str, params: dict[str, Any], session: str, key: Any = 1) -> Request:
    more = {} if method == "initialize" else {"Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-11-25"}
    return Request(_message(method, params, key), _head(more))


def _message(method: str, params: dict[str, Any], key: Any) -> dict[str, Any]:
    numbered = {} if method.startswith("notifications/") else {"id": key}
    return {"jsonrpc": "2.0", **numbered, "method": method, "params": params}


def any_request(rng: Random, session: str) -> Request:
    """A good one, of either era."""
    if rng.random() < 0.5:
        return modern(*rng.choice(_CALLS + _MODERN), key=rng.choice((1, "a", 2**60)))
    if rng.random() < 0.1:
        return Request(None, _head({"Mcp-Session-Id": session}), verb=rng.choice((b"GET", b"DELETE", b"PUT")))
    if rng.random() < 0.1:
        answer = {"jsonrpc": "2.0", "id": "input-1", "result": {"action": "accept"}}
        return Request(answer, _head({"Mcp-Session-Id": session}))
    return legacy(*rng.choice(_CALLS + _LEGACY), session=session, key=rng.choice((1, "a", 2**60)))
