"""A client of either era that sends what it is told, answers what it is asked, and keeps all that it receives."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.exact import Number, exact
from tests.peers import LEGACY, MODERN
from tests.transparency.scripted import META
from tests.transparency.ways import LISTEN, Way, http_way
from tests.transparency.wording import failure, notification, request, response, written

__all__ = ["CLIENT_INFO", "Client", "Heard", "Refusal", "greeted", "open_client"]

CLIENT_INFO: Final = {"name": "raw", "version": "1", "x": [Number("1.10")]}
_PATIENCE: Final = 20.0  # seconds


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

    def __init__(self, way: Way, era: str, capabilities: Mapping[str, Any]) -> None:
        self.era = era
        self.capabilities = capabilities
        self.answers: dict[str, list[Any]] = {}
        self.greeting: dict[str, Any] = {}
        self.level: str | None = None  # that a legacy session was set to
        self.last_key = ""
        self._way = way
        self._keys = itertools.count(1)

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
        if method == "logging/setLevel" and params is not None:
            self.level = params["level"]
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
        body = request(self.last_key, method, params)
        async with aclosing(self._way.exchange(self.last_key, method, params or {}, body)) as coming:
            async for data in coming:
                message = exact(data)
                if "method" not in message:
                    heard.raw, heard.message = data, message
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
        await self._way.post(body)

    async def cancel(self, call: "asyncio.Task[Heard]") -> None:
        """In the words of the era and of the transport."""
        if self.era == LEGACY or not self._way.closing_cancels:
            params = {"requestId": Number(self.last_key), "reason": "enough"}
            await self.post(notification("notifications/cancelled", params))
        call.cancel()

    @asynccontextmanager
    async def listening(self, wanted: Mapping[str, Any]) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """What belongs to no request: a GET stream, or a `subscriptions/listen` of which `wanted` is the filter."""
        body = request(LISTEN, "subscriptions/listen", self.stamped({"notifications": wanted}))
        async with asyncio.timeout(_PATIENCE), self._way.listening(body) as coming:
            yield _messages(coming)


async def _messages(coming: AsyncIterator[bytes]) -> AsyncIterator[dict[str, Any]]:
    async for data in coming:
        yield exact(data)


@asynccontextmanager
async def open_client(url: str, era: str, capabilities: Mapping[str, Any] | None = None) -> AsyncIterator[Client]:
    """Over Streamable HTTP, at a URL that ends in `/mcp`."""
    async with http_way(url.removesuffix("/mcp"), era, Path()) as way:
        yield await greeted(way, era, capabilities)


async def greeted(way: Way, era: str, capabilities: Mapping[str, Any] | None) -> Client:
    client = Client(way, era, capabilities or {})
    await client.greet()
    return client
