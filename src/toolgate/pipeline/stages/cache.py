"""Gives a result again that is still good, instead of asking the server again."""

import time
from collections.abc import Awaitable, Callable, Mapping
from fnmatch import fnmatchcase
from functools import partial
from typing import Final

import msgspec

from toolgate.catalog.snapshot import Route
from toolgate.config.model import Document
from toolgate.pipeline.call import Call, Channel, Reply
from toolgate.pipeline.stage import Proceed
from toolgate.pipeline.stages.flights import Flight, Flights
from toolgate.pipeline.stages.kept import Kept, Results, Worth, worth_of_read, worth_of_tool

__all__ = ["Cache"]

_TOOL: Final = "tools/call"
_READ: Final = "resources/read"
_MEMO: Final = "cache"
_LARGEST_ARGUMENTS: Final = 64 * 1024  # bytes

# A call with any other member is no plain one: a retry with answers of the user, or an extension's.
_PLAIN: Final = {_TOOL: frozenset({"name", "arguments", "_meta"}), _READ: frozenset({"uri", "_meta"})}

Key = tuple[str, str, bytes, str, str, str, bytes]
"""The principal (empty: anybody), the revision and the capabilities of the client, method, server, name, arguments."""


class _Annotations(msgspec.Struct):
    read_only: bool = msgspec.field(name="readOnlyHint", default=False)
    idempotent: bool = msgspec.field(name="idempotentHint", default=False)


class _Tool(msgspec.Struct):
    annotations: _Annotations | None = None


_tool: Final = msgspec.json.Decoder(_Tool)


class _Noticing:
    """A call's channel. What comes after a question to the user is an answer to this call alone."""

    __slots__ = ("_channel", "_flight", "asked")

    def __init__(self, channel: Channel, flight: Flight | None) -> None:
        self._channel = channel
        self._flight = flight
        self.asked = False

    def send(self, message: bytes) -> bool:
        return self._channel.send(message)

    async def ask(self, method: str, params: bytes | None) -> Reply:
        self.asked = True
        if self._flight is not None:
            self._flight.land(None)
        return await self._channel.ask(method, params)


class Cache:
    """Tools are cached where the configuration says so, resources where their server does (2026-07-28, Caching)."""

    def __init__(self, document: Document, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` is in seconds and never goes back."""
        self._clock = clock
        self._flights = Flights()
        self._generations: dict[str, int] = {}
        self._lifetimes: Mapping[str, Mapping[str, float]] = {}
        self.results = Results()
        self.configure(document)

    def configure(self, document: Document) -> None:
        """What holds from now on. Where it differs from before, nothing is kept of it."""
        lifetimes = {name: entry.cache for name, entry in document.servers.items() if entry.cache}
        if lifetimes != self._lifetimes or document.limits.cache_bytes != self.results.capacity:
            self._lifetimes = lifetimes
            self.results.capacity = document.limits.cache_bytes
            self.results.clear()

    def forget(self, server: str) -> None:
        """Nothing of the server is good any more, nor what it is being asked for now."""
        self._generations[server] = self._generations.get(server, 0) + 1

    def __call__(self, call: Call, proceed: Proceed) -> Awaitable[Reply]:
        method = call.method
        if method == _TOOL:
            if not self._lifetimes or not (seconds := self._seconds(call.route)):
                return proceed(call)
            worth: Callable[[Reply], Worth | None] = partial(worth_of_tool, seconds=seconds)
        elif method == _READ:
            worth = worth_of_read
        else:
            return proceed(call)
        if not self.results.capacity or not call.params.keys() <= _PLAIN[method]:
            return proceed(call)
        arguments = call.params.get("arguments", b"")
        if len(arguments) > _LARGEST_ARGUMENTS:
            return proceed(call)
        return self._through(call, proceed, bytes(arguments), worth)

    async def _through(
        self, call: Call, proceed: Proceed, arguments: bytes, worth: Callable[[Reply], Worth | None]
    ) -> Reply:
        route = call.route
        generation = self._generations.get(route.server, 0)
        rest = (call.version, call.capabilities, call.method, route.server, route.name, arguments)
        own, anybody = (call.principal.id, *rest), ("", *rest)
        kept = None
        for key in (own, anybody) if call.method == _READ else (own,):
            kept = self.results.get(key) or kept
            if kept is not None and kept.is_good(route, generation, now := self._clock()):
                return kept.reply(now)

        async def ask(call: Call, flight: Flight | None = None) -> Reply:
            channel = _Noticing(call.channel, flight)
            reply = await proceed(call.with_(channel=channel, flows=False))
            if not channel.asked and (found := worth(reply)) is not None:
                shared = self._keep(anybody if found.public else own, route, generation, reply, found)
                if flight is not None:
                    flight.land(shared)
            return reply

        # Progress and log messages belong to one call. What no server said to be good for any time is not waited for.
        if "progressToken" in call.meta or call.log_level is not None or (call.method == _READ and kept is None):
            return await ask(call)
        return await self._flights.share((*own, generation), call, ask, ask)

    def _keep(self, key: Key, route: Route, generation: int, reply: Reply, worth: Worth) -> Reply:
        """The answer is what others get who asked for the same meanwhile."""
        now = self._clock()
        if generation == self._generations.get(route.server, 0) and self.results.takes(len(reply.payload)):
            timed = key[3] == _READ
            kept = Kept(route, generation, now + worth.seconds, reply.payload, timed=timed)
            kept.size += len(key[-1])
            self.results.put(key, kept)
        return Reply(reply.payload, cached=True)

    def passes(self, route: Route) -> bool:
        """Whether calls of a tool are never answered here."""
        return not self._lifetimes or not self._seconds(route)

    def _seconds(self, route: Route) -> float:
        """For how long results of this tool are good; 0 for not at all."""
        known = route.memo.get(_MEMO)
        if known is None or known[0] is not self._lifetimes:
            known = route.memo[_MEMO] = (self._lifetimes, _lifetime(self._lifetimes.get(route.server, {}), route))
        seconds: float = known[1]
        return seconds


def _lifetime(lifetimes: Mapping[str, float], route: Route) -> float:
    """A tool that is named is the operator's word; a glob takes only tools that say they are safe themselves."""
    if route.name in lifetimes:
        return lifetimes[route.name]
    fitting = (seconds for glob, seconds in lifetimes.items() if fnmatchcase(route.name, glob))
    return next(fitting, 0.0) if _is_safe(route) else 0.0


def _is_safe(route: Route) -> bool:
    """2026-07-28, Tools, ToolAnnotations: hints of the server; to be trusted only as far as the server is."""
    try:
        annotations = _tool.decode(route.raw).annotations
    except msgspec.DecodeError:
        return False
    return annotations is not None and annotations.read_only and annotations.idempotent
