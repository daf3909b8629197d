"""What the stubs say, made beforehand. Only the standard library, and little of that, so that fifty start quickly."""

import json
from functools import cached_property
from typing import Any

__all__ = ["LEGACY", "MODERN", "PROGRESS", "TEN_MB", "Answers", "key_of", "name_of", "text_of"]

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
TEXT = "x" * 250  # characters of an answer
PROGRESS = 10  # notifications before the result of `progress`
TEN_MB = 10_000_000

_INFO = {"name": "stub", "version": "1"}
_STAMP = {"resultType": "complete", "_meta": {"io.modelcontextprotocol/serverInfo": _INFO}}
_CACHED = {**_STAMP, "ttlMs": 0, "cacheScope": "private"}
_SCHEMA = {
    "type": "object",
    "properties": {"text": {"type": "string", "description": "Any text"}},
    "required": ["text"],
}


def key_of(body: bytes) -> bytes:
    """The id of a request as it is written, found without reading the rest."""
    at = body.index(b'"id":') + 5
    comma, brace = body.find(b",", at), body.find(b"}", at)
    return body[at : comma if -1 < comma < brace else brace]


def name_of(body: bytes) -> bytes:
    """The tool that is called, found likewise; empty where the request is spelt in another way."""
    at = body.find(b'"name":"', body.find(b'"params"')) + 8
    return body[at : body.index(b'"', at)] if at > 7 else b""


def text_of(body: bytes) -> bytes:
    """The text that a tool is called with, likewise; it must hold nothing that JSON escapes."""
    at = body.find(b'"text":"') + 8
    return body[at : body.index(b'"', at)] if at > 7 else b""


class Answers:
    """`era` is `modern`, `legacy` or `both`. `changes`: the server says that its list may change."""

    def __init__(self, tools: int, era: str = "modern", *, changes: bool = False) -> None:
        self._era = era
        names = [f"tool-{number}" for number in range(tools)]
        self.tools = [described(name) for name in (*names, "sse", "progress", "ten-mb", "echo", "slow")]
        self._capabilities = {"tools": {"listChanged": True} if changes else {}}
        content = [{"type": "text", "text": TEXT}]
        modern = _STAMP if era != "legacy" else {}
        self.call = json.dumps({**modern, "content": content}, separators=(",", ":")).encode()
        self.echo = self.call.replace(TEXT.encode(), b"%b")

    @cached_property
    def large(self) -> bytes:
        """Made when it is first asked for: a town has a thousand of these."""
        return self.call.replace(TEXT.encode(), b"x" * TEN_MB)

    def slowly(self, message: dict[str, Any]) -> bytes:
        """The response to any request, read as JSON."""
        result = self._result(message)
        body = {"error": {"code": -32601, "message": "not known here"}} if result is None else {"result": result}
        return json.dumps({"jsonrpc": "2.0", "id": message["id"], **body}, separators=(",", ":")).encode()

    def _result(self, message: dict[str, Any]) -> dict[str, Any] | None:
        match message["method"]:
            case "server/discover" if self._era != "legacy":
                return {**_CACHED, "supportedVersions": [MODERN], "capabilities": self._capabilities}
            case "initialize" if self._era != "modern":
                return {"protocolVersion": LEGACY, "capabilities": self._capabilities, "serverInfo": _INFO}
            case "tools/list":
                return {**(_CACHED if self._era != "legacy" else {}), "tools": self.tools}
            case "tools/call":
                return self._called(message["params"])
            case "ping":
                return {}
        return None

    def _called(self, params: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = json.loads(self.call)
        if params["name"] in {"echo", "slow"}:
            result["content"][0]["text"] = params["arguments"]["text"]
        return result


def described(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "description": f"The tool {name} of a server that stands in for others",
        "inputSchema": _SCHEMA,
    }
