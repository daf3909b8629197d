"""Changes of lists, told to those who asked: listen streams of the modern era, GET streams of the legacy era."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Raw

from toolgate.catalog.refresh import Catalog, Changes
from toolgate.errors import Draining, InvalidParams, SlowClient
from toolgate.inbound.exchange import Exchange
from toolgate.inbound.sessions import Session, Sessions
from toolgate.inbound.updates import Subscribing
from toolgate.inbound.watching import Watching
from toolgate.model.tool import Kind
from toolgate.pipeline.call import Reply
from toolgate.protocol.envelope import dump, fields, notification
from toolgate.protocol.eras import SUBSCRIPTION_ID

__all__ = ["Announcer"]

_METHODS: Final = {
    Kind.TOOLS: "notifications/tools/list_changed",
    Kind.PROMPTS: "notifications/prompts/list_changed",
    Kind.RESOURCES: "notifications/resources/list_changed",
    Kind.TEMPLATES: "notifications/resources/list_changed",
}
# 2026-07-28, Subscriptions, Notification Filter.
_FILTERS: Final = {
    "toolsListChanged": (Kind.TOOLS,),
    "promptsListChanged": (Kind.PROMPTS,),
    "resourcesListChanged": (Kind.RESOURCES, Kind.TEMPLATES),
}
_MOST_STREAMS: Final = 20_000
_flag: Final = msgspec.json.Decoder(bool)
_uris: Final = msgspec.json.Decoder(list[str])


class Announcer:
    """`draining` is set when the gateway stops: streams then end in good order."""

    def __init__(self, catalog: Catalog, sessions: Sessions, servers: Subscribing, draining: asyncio.Event) -> None:
        self._catalog = catalog
        self._sessions = sessions
        self._servers = servers
        self.draining = draining
        self.streams = 0
        self.stop = catalog.subscribe(self._tell_sessions)

    async def listen(self, exchange: Exchange) -> Reply:
        """`subscriptions/listen`: the acknowledgement, then changes, until either side ends it."""
        wanted = _wanted(exchange)
        if self.streams >= _MOST_STREAMS:
            raise Draining("too many streams are open", hint="close some or try again later")
        told = asyncio.get_running_loop().create_future()
        meta = {SUBSCRIPTION_ID: Raw(exchange.key)}
        kinds = frozenset(kind for name in wanted for kind in _FILTERS[name])

        def changed(changes: Changes) -> None:
            for method in _methods(changes.get(exchange.endpoint, frozenset()) & kinds):
                tell(notification(method, dump({"_meta": meta})))

        def tell(message: bytes) -> None:
            if not exchange.channel.send(message) and not told.done():
                told.set_exception(SlowClient("this stream was not read for too long"))

        async with Watching(self._servers, exchange, tell) as watching:
            honoured: dict[str, Any] = dict.fromkeys(wanted, True)
            if uris := await watching.start(_watched(exchange)):
                honoured["resourceSubscriptions"] = uris
            acknowledged = dump({"_meta": meta, "notifications": honoured})
            exchange.channel.send(notification("notifications/subscriptions/acknowledged", acknowledged))
            watching.speak()
            await self._until_drained(changed, told)
        # One page of the revision ends a stream with a result, another with a cancellation: both are sent.
        exchange.channel.send(notification("notifications/cancelled", dump({"requestId": Raw(exchange.key)})))
        return Reply(dump({"resultType": "complete", "_meta": meta}))

    async def _until_drained(self, changed: Callable[[Changes], None], broken: "asyncio.Future[None]") -> None:
        unsubscribe = self._catalog.subscribe(changed)
        self.streams += 1
        drained = asyncio.ensure_future(self.draining.wait())
        try:
            await asyncio.wait((drained, broken), return_when=asyncio.FIRST_COMPLETED)
            if broken.done():
                broken.result()
        finally:
            self.streams -= 1
            unsubscribe()
            drained.cancel()
            broken.cancel()

    def drain(self) -> None:
        """End every stream: the gateway stops."""
        self.draining.set()
        for session in self._sessions.all():
            if session.stream is not None:
                session.stream.wake()

    def _tell_sessions(self, changes: Changes) -> None:
        for endpoint, kinds in changes.items():
            for session in self._sessions.at(endpoint):
                session.unheard |= kinds
                self.catch_up(session)

    def catch_up(self, session: Session) -> None:
        """Send what a session has not heard yet, if it has a stream open; else it stays noted, once a kind."""
        if session.stream is None:
            return
        for method in _methods(frozenset(session.unheard)):
            session.notify(notification(method))
        session.unheard.clear()


def _methods(kinds: frozenset[Kind]) -> list[str]:
    return list(dict.fromkeys(_METHODS[kind] for kind in Kind if kind in kinds))


def _wanted(exchange: Exchange) -> list[str]:
    asked = fields(exchange.params.get("notifications", Raw(b"null")), "notifications")
    return [name for name in _FILTERS if name in asked and _asked_for(name, asked[name])]


def _watched(exchange: Exchange) -> list[str]:
    asked = fields(exchange.params.get("notifications", Raw(b"null")), "notifications")
    try:
        return _uris.decode(asked.get("resourceSubscriptions", Raw(b"[]")))
    except msgspec.DecodeError:
        raise InvalidParams("notifications.resourceSubscriptions must be a list of URIs") from None


def _asked_for(name: str, raw: Any) -> bool:
    try:
        return _flag.decode(raw)
    except msgspec.DecodeError:
        raise InvalidParams(f"notifications.{name} must be true or false") from None
