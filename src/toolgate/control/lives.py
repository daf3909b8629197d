"""What becomes of servers, and what people want of them: `/api/v1/servers/{name}/…`."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Final, Protocol

import msgspec

from toolgate.control.app import Governed, entry_of
from toolgate.control.routes import Params, Route, Streamed
from toolgate.errors import InvalidParams, Overloaded
from toolgate.model.life import PHASES, State, Wish, actor
from toolgate.model.principal import Principal
from toolgate.model.transition import Transition
from toolgate.observe.server_logs import ServerLogs

__all__ = ["Lives"]

_WAIT: Final = 60.0  # seconds for a start or a stop to be done; it goes on after that
_LINES: Final = 100
_MOST: Final = 10_000
_QUIET: Final = 30  # looks without news after which a comment tells that the stream is alive


class Obeying(Governed, Protocol):
    async def order(self, name: str, wish: Wish, actor: str) -> None:
        """See `upstream.pool.Pool.order`."""
        ...


class Lives:
    """- `POST servers/{name}/start`, `stop`, `restart`: the server's entry as it is when that is done, or could not be
    - `GET servers/{name}/timeline?last=`: `{"server", "timeline": [{"at", "state", "phase", …}, …]}`, oldest first
    - `GET servers/{name}/logs?lines=&follow=`: `{"server", "lines": […]}`; with `follow` server-sent events
    """

    def __init__(self, gateway: Obeying, logs: ServerLogs, transitions: Callable[[str], Sequence[Transition]]) -> None:
        self._gateway = gateway
        self._logs = logs
        self._transitions = transitions
        self.routes: list[Route] = [
            *(("POST", f"servers/{{name}}/{wish}", partial(self._order, wish)) for wish in Wish),
            ("GET", "servers/{name}/timeline", self._timeline),
            ("GET", "servers/{name}/logs", self._log),
        ]

    async def _order(self, wish: Wish, principal: Principal, params: Params, body: bytes) -> dict[str, Any]:
        name = params["name"]
        entry_of(self._gateway, name)
        doing = asyncio.ensure_future(self._gateway.order(name, wish, actor(principal)))
        await asyncio.wait([doing], timeout=_WAIT)
        if doing.done():
            doing.result()
        return entry_of(self._gateway, name)

    async def _timeline(self, principal: Principal, params: Params, body: bytes) -> dict[str, Any]:
        name = params["name"]
        entry_of(self._gateway, name)
        most = _number(params, "last", _LINES)
        return {"server": name, "timeline": [_told(one) for one in self._transitions(name)[-most:]]}

    async def _log(self, principal: Principal, params: Params, body: bytes) -> dict[str, Any] | Streamed:
        name = params["name"]
        entry_of(self._gateway, name)
        lines = _number(params, "lines", _LINES)
        if params.get("follow", "") in {"", "0", "false"}:
            return {"server": name, "lines": await self._logs.tail(name, lines)}
        if self._logs.is_full:
            raise Overloaded("too many follow the logs of servers", hint="end some of them", retry_after=5)
        return Streamed(self._followed(name, lines))

    async def _followed(self, name: str, lines: int) -> AsyncGenerator[bytes, None]:
        quiet = 0
        async with aclosing(self._logs.follow(name, lines)) as following:
            async for more in following:
                quiet = 0 if more else quiet + 1
                if more or quiet % _QUIET == 0:
                    yield _events(more)


def _events(lines: Sequence[str]) -> bytes:
    return b"".join(b"data: %b\n\n" % line.encode() for line in lines) or b":\n\n"


def _told(one: Transition) -> dict[str, Any]:
    fields = msgspec.structs.asdict(one)
    del fields["server"]
    state = fields.pop("after")
    return {"at": fields.pop("at"), "state": state, "phase": PHASES[State(state)].value, **fields}


def _number(params: Params, name: str, default: int) -> int:
    text = params.get(name, str(default))
    if not text.isdecimal() or not 0 < int(text) <= _MOST:
        raise InvalidParams(f"`{name}` should be a number from 1 to {_MOST}, not {text!r}")
    return int(text)
