"""How much a caller, a tool, a server and all together may have: calls in a time, and calls at a time."""

import math
from collections.abc import Callable, Mapping
from typing import Final

from toolgate.config.model import Document
from toolgate.errors import Overloaded, RateLimited
from toolgate.model.names import exposed_name
from toolgate.model.rate import Rate
from toolgate.pipeline.call import Call, Reply
from toolgate.pipeline.stage import Proceed
from toolgate.policy.buckets import Buckets, Short, Want

__all__ = ["Limit"]

_MOST: Final = 10_000  # combinations of caller and route that are remembered
_RETRY: Final = 1.0  # seconds: how long calls take is not known, so this is a guess

_HINTS: Final = {
    "principal": "spread the calls, or ask for a higher `limits.principal_rate`",
    "tool": "spread the calls, or raise `limits.tool_rate` or the server's `tool_rates`",
    "server": "spread the calls, or raise `limits.server_rate` or the server's `rate`",
    "total": "try again soon; `limits.total_rate` bounds the whole gateway",
}


class Limit:
    """Holds the count of calls under way; the buckets may stand elsewhere. `refused` hears which limit did."""

    def __init__(
        self, buckets: Buckets, document: Document, refused: Callable[[str], None] = lambda limit: None
    ) -> None:
        self._buckets = buckets
        self._refused = refused
        self._under_way = 0
        self._of_principal: dict[str, int] = {}
        self.configure(document)

    def configure(self, document: Document) -> None:
        """Limits that hold from now on. What was used up before stays used up."""
        limits = document.limits
        self._calls = limits.calls
        self._calls_per_principal = limits.calls_per_principal
        self._rates = {
            "principal": limits.principal_rate,
            "tool": limits.tool_rate,
            "server": limits.server_rate,
            "total": limits.total_rate,
        }
        self._servers = {name: entry.rate for name, entry in document.servers.items() if entry.rate is not None}
        self._tools = {name: entry.tool_rates for name, entry in document.servers.items() if entry.tool_rates}
        self._is_limited = any(self._rates.values()) or bool(self._servers or self._tools)
        self._wants: dict[tuple[str, str, str], tuple[Want, ...]] = {}

    @property
    def under_way(self) -> int:
        """Calls that were let in and have not ended."""
        return self._under_way

    async def __call__(self, call: Call, proceed: Proceed) -> Reply:
        """Raises `RateLimited` and `Overloaded`."""
        if call.sent is None:
            if self._under_way >= self._calls:
                self._refused("calls")
                raise _overloaded(self._calls)
            if self._is_limited and (short := self._short(call)) is not None:
                self._refused(short.want.kind)
                raise _limited(call, short)
        if self._calls_per_principal is not None:
            return await self._among_its_own(call, proceed, self._calls_per_principal)
        self._under_way += 1
        try:
            return await proceed(call)
        finally:
            self._under_way -= 1

    def enter(self, call: Call) -> bool:
        """Let a call in that nobody waits for; then `leave` when it has ended. False where it is refused, or has to be
        counted in more ways: nothing is used up then."""
        if self._under_way >= self._calls or self._calls_per_principal is not None:
            return False
        if self._is_limited and self._short(call) is not None:
            return False
        self._under_way += 1
        return True

    def leave(self) -> None:
        self._under_way -= 1

    async def _among_its_own(self, call: Call, proceed: Proceed, most: int) -> Reply:
        whose, counts = call.principal.id, self._of_principal
        count = counts.get(whose, 0)
        if count >= most:
            self._refused("calls_per_principal")
            raise _too_many(call, most)
        counts[whose] = count + 1
        self._under_way += 1
        try:
            return await proceed(call)
        finally:
            self._under_way -= 1
            if counts[whose] == 1:
                del counts[whose]
            else:
                counts[whose] -= 1

    def _short(self, call: Call) -> Short | None:
        """Take a token for the call out of each bucket, or say which is empty."""
        route = call.route
        tool = route.name if call.method == "tools/call" else ""
        key = (call.principal.id, route.server, tool)
        wants = self._wants.get(key)
        if wants is None:
            if len(self._wants) >= _MOST:
                self._wants.clear()
            wants = self._wants[key] = tuple(self._wanted(*key))
        return self._buckets.take(wants) if wants else None

    def _wanted(self, principal: str, server: str, tool: str) -> list[Want]:
        own_tools: Mapping[str, Rate] = self._tools.get(server, {})
        rates = [
            ("principal", principal, self._rates["principal"]),
            ("tool", exposed_name(server, tool), own_tools.get(tool, self._rates["tool"]) if tool else None),
            ("server", server, self._servers.get(server, self._rates["server"])),
            ("total", "", self._rates["total"]),
        ]
        return [Want.of(kind, whose, rate) for kind, whose, rate in rates if rate is not None]


def _limited(call: Call, short: Short) -> RateLimited:
    kind, whose = short.want.kind, short.want.whose
    who = {
        "principal": f"{call.principal.name!r}",
        "tool": f"the tool {whose!r}",
        "server": f"server {whose!r}",
        "total": "this gateway",
    }[kind]
    wait = math.ceil(short.wait * 1000) / 1000
    return RateLimited(
        f"{who} has had its {short.want.rate} calls; there is one more in {wait:g} s",
        hint=_HINTS[kind],
        retry_after=wait,
        limit=kind,
        of=whose,
        rate=str(short.want.rate),
    )


def _too_many(call: Call, most: int) -> RateLimited:
    return RateLimited(
        f"{call.principal.name!r} has {most} calls under way, which is as many as one caller may have",
        hint="wait for one to end, or ask for a higher `limits.calls_per_principal`",
        retry_after=_RETRY,
        limit="calls_per_principal",
        of=call.principal.id,
    )


def _overloaded(most: int) -> Overloaded:
    return Overloaded(
        f"this gateway has {most} calls under way, which is as many as it carries",
        hint="try again soon; `limits.calls` bounds them",
        retry_after=_RETRY,
        limit="calls",
        of="",
    )
