"""A server that answers what the test tells it, in either era, and keeps what it received."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from tests.exact import Number
from tests.peers import LEGACY, MODERN
from tests.transparency.wording import failure, notification, request, response, written

__all__ = ["META", "Offer", "Refused", "Script", "Scripted", "Turn", "Wire"]

META: Final = "io.modelcontextprotocol/"
_PATIENCE: Final = 20.0  # seconds
_FILTERS: Final = {
    "notifications/tools/list_changed": "toolsListChanged",
    "notifications/prompts/list_changed": "promptsListChanged",
    "notifications/resources/list_changed": "resourcesListChanged",
}

Script = Callable[["Turn"], Awaitable[str]]
"""Gives the JSON of the result."""


class Refused(Exception):
    """Carries the JSON of an `error`."""


class Wire(Protocol):
    """The way back to whoever sent a message."""

    turns: dict[str, "Turn"]

    async def send(self, text: str) -> None: ...

    async def answer(self, text: str) -> None: ...


@dataclass
class Offer:
    """What a server says of itself; `pages` are the results of its lists, by method, without what an era adds."""

    capabilities: dict[str, Any]
    server_info: dict[str, Any]
    instructions: str
    pages: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


class Turn:
    """One request as the server sees it; in the modern era also its repetitions with answers."""

    def __init__(self, server: "Scripted", message: dict[str, Any], wire: Wire) -> None:
        self.message = message
        self.wire = wire
        self.cancelled = asyncio.Event()
        self.outcomes: asyncio.Queue[tuple[Callable[[str, str], str], str]] = asyncio.Queue()
        self.repeated: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._server = server
        self._running = asyncio.create_task(self._run())

    @property
    def params(self) -> dict[str, Any]:
        params: dict[str, Any] = self.message["params"]
        return params

    @property
    def token(self) -> Any:
        return self.params["_meta"]["progressToken"]

    async def tell(self, method: str, params: Any) -> None:
        await self.wire.send(notification(method, params))

    async def ask(self, *questions: dict[str, Any], state: str | None = None) -> list[dict[str, Any]]:
        """All at once; the answers are messages with a `result` or an `error`, in order."""
        if self._server.era == LEGACY:
            return [*await asyncio.gather(*(self._server.ask(self.wire, question) for question in questions))]
        state = state or f"state {next(self._server.numbers)}"
        named = {f"question {number}": question for number, question in enumerate(questions)}
        result = {"resultType": "input_required", "requestState": state}
        self._server.suspended[state] = self
        self.outcomes.put_nowait((response, written({**result, **({"inputRequests": named} if named else {})})))
        self.message = await self.repeated.get()
        answers = self.params.get("inputResponses", {})
        assert set(answers) == set(named)
        return [{"result": answers[name]} for name in named]

    async def _run(self) -> None:
        try:
            self.outcomes.put_nowait((response, await self._server.script(self)))
        except Refused as refused:
            self.outcomes.put_nowait((failure, str(refused)))
        except AssertionError as error:
            self.outcomes.put_nowait((failure, written({"code": Number("-1"), "message": f"the script: {error!r}"})))

    def cancel(self) -> None:
        self.cancelled.set()
        self._running.cancel()


class Scripted:
    """`script` answers every call; handshakes, lists and subscriptions answer themselves out of the offer."""

    def __init__(self, era: str, offer: Offer) -> None:
        self.era = era
        self.offer = offer
        self.script: Script = _unscripted
        self.received: list[dict[str, Any]] = []
        self.suspended: dict[str, Turn] = {}
        self.numbers = itertools.count(1)
        self.standing: set[Wire] = set()
        self._listens: dict[int, tuple[Wire, Any, dict[str, Any]]] = {}
        self._asked: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._news = asyncio.Event()

    async def take(self, message: dict[str, Any], wire: Wire) -> None:
        self.received.append(message)
        self._news.set()
        if "method" not in message:
            self._asked.pop(message["id"]).set_result(message)
        elif "id" not in message:
            self._notified(message, wire)
        else:
            await self._requested(message, wire)

    async def until(self, hoped: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first message received, so far or later, that is hoped for."""
        async with asyncio.timeout(_PATIENCE):
            while True:
                for message in self.received:
                    if hoped(message):
                        return message
                self._news.clear()
                await self._news.wait()

    async def ask(self, wire: Wire, question: dict[str, Any]) -> dict[str, Any]:
        key = f"ask-{next(self.numbers)}"
        self._asked[key] = asyncio.get_running_loop().create_future()
        await wire.send(request(written(key), question["method"], question.get("params")))
        return await self._asked[key]

    async def announce(self, method: str, params: dict[str, Any]) -> None:
        """Tell what belongs to no request to all who listen for it."""
        if self.era == LEGACY:
            for wire in tuple(self.standing):
                await wire.send(notification(method, params))
        for wire, key, wanted in tuple(self._listens.values()):
            if wanted.get(_FILTERS.get(method, "")) is True or params.get("uri") in wanted.get(
                "resourceSubscriptions", []
            ):
                meta = {**params.get("_meta", {}), f"{META}subscriptionId": key}
                await wire.send(notification(method, {**params, "_meta": meta}))

    def _notified(self, message: dict[str, Any], wire: Wire) -> None:
        if message["method"] == "notifications/cancelled":
            turn = wire.turns.get(written(message["params"]["requestId"]))
            if turn is not None:
                turn.cancel()

    async def _requested(self, message: dict[str, Any], wire: Wire) -> None:
        key, method = written(message["id"]), message["method"]
        if method == "subscriptions/listen":
            await self._listen(message, wire)
        elif (known := self._known(message)) is not None:
            await wire.answer(response(key, written(known)))
        elif method in {"server/discover", "initialize"}:
            await wire.answer(failure(key, '{"code":-32601,"message":"another era"}'))
        else:
            await self._take_turn(message, wire)

    def _known(self, message: dict[str, Any]) -> dict[str, Any] | None:
        method, offer = message["method"], self.offer
        if method in {"ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"}:
            return {}
        said = {"capabilities": offer.capabilities, "instructions": offer.instructions}
        if method == "initialize" and self.era == LEGACY:
            return {"protocolVersion": LEGACY, "serverInfo": offer.server_info, **said}
        if method == "server/discover" and self.era == MODERN:
            return self.modern({"supportedVersions": [MODERN], **said})
        if method not in offer.pages:
            return None
        pages = offer.pages[method]
        number = int(message.get("params", {}).get("cursor", "0"))
        following = {"nextCursor": str(number + 1)} if number + 1 < len(pages) else {}
        page = {**pages[number], **following}
        return self.modern(page) if self.era == MODERN else page

    def modern(self, result: dict[str, Any]) -> dict[str, Any]:
        meta = {**result.get("_meta", {}), f"{META}serverInfo": self.offer.server_info}
        added = {"resultType": "complete", "ttlMs": Number("0"), "cacheScope": "private"}
        return {**added, **result, "_meta": meta}

    async def _listen(self, message: dict[str, Any], wire: Wire) -> None:
        key, wanted = message["id"], message["params"]["notifications"]
        meta = {f"{META}subscriptionId": key}
        acknowledged = {"notifications": wanted, "_meta": meta}
        number = next(self.numbers)  # two connections may choose the same id
        self._listens[number] = wire, key, wanted
        try:
            await wire.send(notification("notifications/subscriptions/acknowledged", acknowledged))
            await asyncio.Event().wait()
        finally:
            del self._listens[number]

    async def _take_turn(self, message: dict[str, Any], wire: Wire) -> None:
        key = written(message["id"])
        turn = self.suspended.pop(message["params"].get("requestState", ""), None)
        if turn is None:
            turn = Turn(self, message, wire)
        else:
            turn.wire = wire
            turn.repeated.put_nowait(message)
        wire.turns[key] = turn
        try:
            shape, payload = await turn.outcomes.get()
        except asyncio.CancelledError:
            turn.cancel()
            raise
        wire.turns.pop(key, None)
        with suppress(ConnectionError):
            await wire.answer(shape(key, payload))


async def _unscripted(turn: Turn) -> str:
    raise AssertionError(f"nobody said what to answer to {turn.message}")
