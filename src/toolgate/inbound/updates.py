"""Updates of single resources, brought to those who subscribed: legacy sessions (2025-11-25, Resources, Subscriptions)
and listen streams (2026-07-28, Subscriptions)."""

from collections.abc import Callable
from typing import Final, Protocol

from msgspec import Raw

from toolgate.catalog.snapshot import Route
from toolgate.inbound.sessions import Session, Sessions
from toolgate.model.principal import Principal
from toolgate.pipeline.call import Reply
from toolgate.protocol.envelope import NOTHING, Fields, dump, fields, notification
from toolgate.protocol.eras import ENVELOPE_KEYS, SUBSCRIPTION_ID

__all__ = ["Heard", "Subscribing", "Updates", "message_of"]

Heard = Callable[[str, bytes], None]
"""Gets the URI as the server spells it, and the params of its notification."""

_UPDATED: Final = "notifications/resources/updated"
_MOST: Final = 1_000  # resources of one session
_FULL: Final = Reply(b'{"code":-32603,"message":"this session is subscribed to too many resources"}', is_error=True)

_Held = tuple[Session, Route, Heard]


class Subscribing(Protocol):
    """The way to the servers."""

    async def subscribe(self, principal: Principal, route: Route, heard: Heard, more: bytes = b"{}") -> Reply:
        """The server's own answer where it refuses. `more` is an object: what it is told besides, if nobody was
        subscribed before. Raises `Forbidden`."""
        ...

    async def unsubscribe(self, route: Route, heard: Heard) -> None: ...


class Updates:
    """What legacy sessions are subscribed to, under the URIs that they used."""

    def __init__(self, servers: Subscribing, sessions: Sessions) -> None:
        self._servers = servers
        self._sessions = sessions
        self._held: dict[tuple[str, str], _Held] = {}

    def __len__(self) -> int:
        return len(self._held)

    async def subscribe(self, session: Session, uri: str, route: Route, params: Fields = NOTHING) -> Reply:
        """`params` are the request's: what they hold beside the URI goes to the server with it."""
        await self.prune()
        key = session.id, uri
        if key in self._held:
            return Reply(b"{}")
        if sum(held is session for held, _, _ in self._held.values()) >= _MOST:
            return _FULL

        def heard(updated: str, params: bytes) -> None:
            session.notify(message_of(uri, route, updated, params))

        self._held[key] = session, route, heard
        try:
            reply = await self._servers.subscribe(session.principal, route, heard, _besides(params))
        except BaseException:
            self._held.pop(key, None)
            raise
        if reply.is_error:
            self._held.pop(key, None)
            return reply
        return Reply(b"{}")

    async def unsubscribe(self, session: Session, uri: str) -> Reply:
        """Of what was never subscribed to, too."""
        held = self._held.pop((session.id, uri), None)
        if held is not None:
            await self._servers.unsubscribe(held[1], held[2])
        return Reply(b"{}")

    async def prune(self) -> None:
        """Forget what sessions wanted that have ended."""
        for (key, uri), (session, _, _) in tuple(self._held.items()):
            if session not in self._sessions.at(session.endpoint):
                held = self._held.pop((key, uri), None)
                if held is not None:
                    await self._servers.unsubscribe(held[1], held[2])


def _besides(params: Fields) -> bytes:
    """Not what belongs to the client's own request: progress of it is nothing that others could share."""
    more = {name: raw for name, raw in params.items() if name != "uri"}
    meta = fields(more.pop("_meta"), "_meta") if "_meta" in more else {}
    if kept := {key: raw for key, raw in meta.items() if key not in ENVELOPE_KEYS and key != "progressToken"}:
        more["_meta"] = Raw(dump(kept))
    return dump(more)


def message_of(uri: str, route: Route, updated: str, params: bytes, subscription: bytes | None = None) -> bytes:
    """The notification as a client gets it: under the URI that it subscribed to, or below it as the server says, and
    under its own subscription id, if it has one."""
    members: Fields = fields(params)
    members["uri"] = Raw(dump(uri.removesuffix(route.name) + updated))
    meta = fields(members.pop("_meta"), "_meta") if "_meta" in members else {}
    meta.pop(SUBSCRIPTION_ID, None)
    if subscription is not None:
        meta[SUBSCRIPTION_ID] = Raw(subscription)
    if meta:
        members["_meta"] = Raw(dump(meta))
    return notification(_UPDATED, dump(members))
