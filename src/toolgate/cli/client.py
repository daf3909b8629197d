"""The command line's own small client: the control API, and MCP of the modern era. It blocks: nothing else runs."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, Final
from urllib.parse import quote, urlsplit

from toolgate import __version__
from toolgate.cli.outcome import GatewayMissingError
from toolgate.cli.running import Endpoint
from toolgate.errors import ToolgateError
from toolgate.protocol.eras import CLIENT_CAPABILITIES, CLIENT_INFO, MODERN_VERSIONS, NAME_KEYS, PROTOCOL_VERSION
from toolgate.protocol.headers import annotated, encode_value, invalid_annotation, param_headers
from toolgate.protocol.sse import Decoder

__all__ = ["AnswerError", "Api", "Json", "Mcp", "Progress"]

Json = dict[str, Any]
Progress = Callable[[float, float | None, str], None]
"""Told of `(done, total, message)`."""

_VERSION: Final = MODERN_VERSIONS[0]
_LIMIT: Final = 64 * 2**20  # bytes of one event
_CHUNK: Final = 65536


class AnswerError(ToolgateError):
    """The gateway answered with an error; `reason` is its code."""

    code = "refused"

    def __init__(self, message: str, *, hint: str = "", reason: str | int = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


@contextmanager
def _response(
    endpoint: Endpoint, method: str, path: str, body: bytes | None, headers: dict[str, str], timeout: float
) -> Iterator[HTTPResponse]:
    address = urlsplit(endpoint.url)
    kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
    connection = kind(address.hostname or "", address.port, timeout=timeout)
    try:
        connection.request(method, address.path + path, body=body, headers=headers | _authorization(endpoint))
        yield connection.getresponse()
    except (OSError, HTTPException) as error:
        raise GatewayMissingError(
            f"no gateway answers at {endpoint.url}: {error}", hint="start one with `toolgate up`"
        ) from error
    finally:
        connection.close()


def _authorization(endpoint: Endpoint) -> dict[str, str]:
    return {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}


class Api:
    """`/api/v1`. `timeout` is in seconds."""

    def __init__(self, endpoint: Endpoint, timeout: float = 30.0) -> None:
        self._endpoint = endpoint
        self._timeout = timeout

    def get(self, path: str) -> Json:
        return self._ask("GET", path)

    def post(self, path: str, body: Json | None = None) -> Json:
        return self._ask("POST", path, body)

    def delete(self, path: str) -> Json:
        return self._ask("DELETE", path)

    def events(self, path: str) -> Iterator[str]:
        """The data of server-sent events, for as long as they come."""
        with _response(self._endpoint, "GET", f"/api/v1/{path}", None, {}, self._timeout) as response:
            if response.status != 200:
                raise _refusal(_decoded(response, response.read()))
            decoder = Decoder(_LIMIT)
            while chunk := response.read1(_CHUNK):
                yield from (event.data.decode("utf-8", "replace") for event in decoder.feed(chunk))

    def servers(self) -> list[Json]:
        entries: list[Json] = self.get("servers")["servers"]
        return entries

    def server(self, name: str) -> Json:
        return self.get(f"servers/{quote(name, safe='')}")

    def _ask(self, method: str, path: str, body: Json | None = None) -> Json:
        sent = json.dumps(body).encode() if body is not None else None
        head = {"Content-Type": "application/json"} if sent is not None else {}
        with _response(self._endpoint, method, f"/api/v1/{path}", sent, head, self._timeout) as response:
            answer = _decoded(response, response.read())
            if response.status not in {200, 201}:
                raise _refusal(answer)
            return answer


class Mcp:
    """One endpoint of a gateway. `timeout` is in seconds, between two signs of life."""

    def __init__(self, endpoint: Endpoint, path: str = "/mcp", timeout: float = 600.0) -> None:
        self._endpoint = endpoint
        self._path = path
        self._timeout = timeout
        self._requests = 0

    def tools(self) -> list[Json]:
        """All of them, however many pages that takes."""
        listed: list[Json] = []
        cursor: str | None = None
        while True:
            result = self.request("tools/list", {"cursor": cursor} if cursor is not None else {})
            listed += result["tools"]
            cursor = result.get("nextCursor")
            if cursor is None:
                return listed

    def call(self, tool: Json, arguments: Json, progress: Progress | None = None) -> Json:
        """The result of a tool, given as it was listed."""
        schema = tool.get("inputSchema")
        headers = {} if invalid_annotation(schema) else param_headers(annotated(schema), arguments)
        params = {"name": tool["name"], "arguments": arguments}
        return self.request("tools/call", params, headers=headers, progress=progress)

    def request(
        self, method: str, params: Json, *, headers: dict[str, str] | None = None, progress: Progress | None = None
    ) -> Json:
        """The result. Raises `AnswerError` and `GatewayMissingError`."""
        self._requests += 1
        body = self._envelope(method, params, progress is not None)
        named = {"Mcp-Name": encode_value(params[key])} if (key := NAME_KEYS.get(method)) else {}
        head = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": _VERSION,
            "Mcp-Method": method,
            **named,
            **(headers or {}),
        }
        with _response(self._endpoint, "POST", self._path, body, head, self._timeout) as response:
            return _result(_answer(response, progress))

    def _envelope(self, method: str, params: Json, progress: bool) -> bytes:
        meta: Json = {
            PROTOCOL_VERSION: _VERSION,
            CLIENT_INFO: {"name": "toolgate-cli", "version": __version__},
            CLIENT_CAPABILITIES: {},
        }
        if progress:
            meta["progressToken"] = self._requests
        request = {"jsonrpc": "2.0", "id": self._requests, "method": method, "params": {**params, "_meta": meta}}
        return json.dumps(request).encode()


def _answer(response: HTTPResponse, progress: Progress | None) -> Json:
    if not (response.getheader("Content-Type") or "").startswith("text/event-stream"):
        return _decoded(response, response.read())
    decoder = Decoder(_LIMIT)
    while chunk := response.read1(_CHUNK):
        for event in decoder.feed(chunk):
            message = _decoded(response, event.data)
            if "method" not in message:
                return message
            if message["method"] == "notifications/progress" and progress is not None:
                step = message["params"]
                progress(step["progress"], step.get("total"), step.get("message", ""))
    raise AnswerError("the gateway ended its answer half-way", hint="see the log of `toolgate up`")


def _decoded(response: HTTPResponse, body: bytes) -> Json:
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise AnswerError(
            f"what answers there is not a gateway (HTTP {response.status})", hint="look at --url, TOOLGATE_URL"
        )
    return answer


def _result(answer: Json) -> Json:
    if "error" in answer:
        raise _refusal(answer)
    result: Json = answer["result"]
    if result.get("resultType", "complete") != "complete":
        raise AnswerError(
            f"the server asks for something that this command line cannot give ({result['resultType']})",
            hint="use a client that supports it",
        )
    return result


def _refusal(answer: Json) -> AnswerError:
    error = answer.get("error") or {}
    data = error.get("data")
    hint = error.get("hint") or (data.get("hint", "") if isinstance(data, dict) else "")
    return AnswerError(str(error.get("message", "it gave no reason")), hint=hint, reason=error.get("code", ""))
