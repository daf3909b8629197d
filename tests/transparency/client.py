"""A client of either era that sends what it is told, answers what it is asked, and keeps all that it receives."""

import asyncio
import io
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from tests.exact import Number, exact
from tests.peers import LEGACY, MODERN
from tests.transparency.scripted import META
from tests.transparency.wording import failure, notification, request, response, written

__all__ = ["CLIENT_INFO", "Client", "Heard", "Refusal", "open_client"]

CLIENT_INFO: Final = {"name": "raw", "version": "1", "x": [Number("1.10")]}
_PATIENCE: Final = 20.0  # seconds
_LONGEST: Final = 64 * 1024 * 1024
_NAMED: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


@dataclass(frozen=True)
class Refusal:
    """An answer to a question that is an error."""

    error: dict[str, Any]


@dataclass
class Heard:
    """All that came back for one request. `raw` is the last message as it stood on the wire."""

    message: dict[str, Any] = field(default_factory=dict)
    raw: bytes = b""
    notifications: list[dict[str, Any]] = field(default_factory=list)
    questions: list[dict[str, Any]] = field(default_factory=list)
    states: list[str] = field(default_factory=list)

    @property
    def result(self) -> dict[str, Any]:
        assert "result" in self.message, self.message
        result: dict[str, Any] = self.message["result"]
        return result

    @property
    def error(self) -> dict[str, Any]:
        assert "error" in self.message, self.message
        error: dict[str, Any] = self.message["error"]
        return error

    def told(self, method: str) -> list[dict[str, Any]]:
        return [note["params"] for note in self.notifications if note["method"] == method]


class Client:
    """`answers` are given by the method of the question, in order of their kind."""

    def __init__(self, http: aiohttp.ClientSession, url: str, era: str, capabilities: Mapping[str, Any]) -> None:
        self.era = era
        self.url = url
        self.capabilities = capabilities
        self.answers: dict[str, list[Any]] = {}
        self.greeting: dict[str, Any] = {}
        self.last_key = ""
        self._http = http
        self._keys = itertools.count(1)
        self._session = ""

    async def greet(self) -> None:
        if self.era == MODERN:
            self.greeting = (await self.request("server/discover")).result
            return
        params = {"protocolVersion": LEGACY, "capabilities": self.capabilities, "clientInfo": CLIENT_INFO}
        self.greeting = (await self.request("initialize", params)).result
        await self.post(notification("notifications/initialized"))

    async def request(self, method: str, params: Mapping[str, Any] | None = None) -> Heard:
        """To its end, with answers to all that is asked meanwhile."""
        heard = Heard()
        async with asyncio.timeout(_PATIENCE):
            await self._once(method, self.stamped(params), heard)
            while "inputRequests" in heard.message.get("result", {}) or "requestState" in heard.message.get(
                "result", {}
            ):
                await self._once(method, self.stamped(self._repeated(params, heard)), heard)
        return heard

    def stamped(self, params: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """With what the modern era wants in `_meta`; what the test put there stays."""
        if self.era == LEGACY:
            return dict(params) if params is not None else None
        given = dict(params or {})
        envelope = {"protocolVersion": MODERN, "clientInfo": CLIENT_INFO, "clientCapabilities": self.capabilities}
        return {**given, "_meta": {**{META + key: value for key, value in envelope.items()}, **given.get("_meta", {})}}

    def _repeated(self, params: Mapping[str, Any] | None, heard: Heard) -> dict[str, Any]:
        result = heard.result
        questions = result.get("inputRequests", {})
        heard.questions += questions.values()
        again = {**(params or {})}
        if questions:
            again["inputResponses"] = {name: self._answer(question) for name, question in questions.items()}
        if "requestState" in result:
            again["requestState"] = result["requestState"]
            heard.states.append(result["requestState"])
        return again

    def _answer(self, question: Mapping[str, Any]) -> Any:
        return self.answers[question["method"]].pop(0)

    async def _once(self, method: str, params: Mapping[str, Any] | None, heard: Heard) -> None:
        self.last_key = str(next(self._keys))
        body = request(self.last_key, method, params).encode()
        head = self._head()
        if self.era == MODERN:
            head |= {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
            if method in _NAMED:
                head["Mcp-Name"] = (params or {})[_NAMED[method]]
        async with self._http.post(self.url, data=io.BytesIO(body), headers=head) as answer:
            self._session = answer.headers.get("Mcp-Session-Id", self._session)
            if answer.content_type == "text/event-stream":
                await self._take_stream(answer, heard)
            else:
                heard.raw = await answer.read()
        heard.message = exact(heard.raw)

    async def _take_stream(self, answer: aiohttp.ClientResponse, heard: Heard) -> None:
        async for data in _events(answer):
            message = exact(data)
            if "method" not in message:
                heard.raw = data
            elif "id" not in message:
                heard.notifications.append(message)
            else:
                heard.questions.append({name: message[name] for name in ("method", "params") if name in message})
                await self._reply(message)

    async def _reply(self, message: dict[str, Any]) -> None:
        answer, key = self._answer(message), written(message["id"])
        refused = isinstance(answer, Refusal)
        await self.post(failure(key, written(answer.error)) if refused else response(key, written(answer)))

    async def post(self, body: str) -> None:
        """What has no answer."""
        async with self._http.post(self.url, data=body.encode(), headers=self._head()) as answer:
            assert answer.status == 202, await answer.text()

    async def cancel(self, call: "asyncio.Task[Heard]") -> None:
        """In the words of the era."""
        if self.era == LEGACY:
            params = {"requestId": Number(self.last_key), "reason": "enough"}
            await self.post(notification("notifications/cancelled", params))
        call.cancel()

    @asynccontextmanager
    async def listening(self, wanted: Mapping[str, Any]) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """What belongs to no request: a GET stream, or a `subscriptions/listen` of which `wanted` is the filter."""
        if self.era == LEGACY:
            opening = self._http.get(self.url, headers=self._head() | {"Accept": "text/event-stream"})
        else:
            head = self._head() | {"MCP-Protocol-Version": MODERN, "Mcp-Method": "subscriptions/listen"}
            body = request('"my listen"', "subscriptions/listen", self.stamped({"notifications": wanted}))
            opening = self._http.post(self.url, data=body.encode(), headers=head)
        async with asyncio.timeout(_PATIENCE), opening as stream:
            assert stream.content_type == "text/event-stream", await stream.text()
            yield _messages(stream)

    def _head(self) -> dict[str, str]:
        head = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if self.era == LEGACY and self._session:
            head |= {"Mcp-Session-Id": self._session, "MCP-Protocol-Version": LEGACY}
        return head


async def _messages(stream: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    async for data in _events(stream):
        yield exact(data)


async def _events(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for line in answer.content:
        data = line.removeprefix(b"data:").strip(b" \r\n")
        if data and line.startswith(b"data:"):  # one without any only brings an id
            yield data


@asynccontextmanager
async def open_client(url: str, era: str, capabilities: Mapping[str, Any] | None = None) -> AsyncIterator[Client]:
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(timeout=timeout, read_bufsize=_LONGEST) as http:
        client = Client(http, url, era, capabilities or {})
        await client.greet()
        yield client
