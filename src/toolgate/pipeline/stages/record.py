"""Each call leaves a record, a line in the log, and where it is traced its spans."""

import asyncio
import logging
from functools import lru_cache
from time import perf_counter, time
from typing import Final, Protocol

import msgspec

from toolgate.errors import ToolgateError
from toolgate.observe.recorded import Recorded
from toolgate.observe.spans import Trace
from toolgate.pipeline.call import Call, Reply
from toolgate.pipeline.stage import Proceed

__all__ = ["Record", "Recording"]

log = logging.getLogger("toolgate.calls")

_MARK: Final = b'"isError"'


class Recording(Protocol):
    """Where records go. `full`: there is no room for another one before `room()` has returned."""

    @property
    def full(self) -> bool: ...

    async def room(self) -> None:
        """Raises `AuditFull`."""
        ...

    def put(self, recorded: Recorded) -> None: ...


class Record:
    """Who called what, how it ended, and how long it took; never its arguments or its result. Outermost, so that it
    sees what the other stages refuse."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    async def __call__(self, call: Call, proceed: Proceed) -> Reply:
        if self._recording.full:
            await self._recording.room()  # before the call: what happens is on record
        at, began = time(), perf_counter()
        if isinstance(call.trace, Trace):
            call.trace.group("admission")
        outcome, reply = "internal", _NOTHING
        try:
            reply = await proceed(call)
            outcome = ("error" if reply.is_error else "failed") if reply.is_error or _failed(call, reply) else "ok"
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        except ToolgateError as error:
            outcome = error.code
            raise
        finally:
            self._leave(call, reply, at, perf_counter() - began, outcome)
        return reply

    def _leave(self, call: Call, reply: Reply, at: float, seconds: float, outcome: str) -> None:
        principal, route = call.principal, call.route
        recorded = Recorded(
            at,
            seconds,
            call.id,
            principal.id,
            principal.name,
            _joined(principal.teams),
            call.method,
            route.server,
            route.name,
            call.era.value,
            outcome,
            call.size,
            len(reply.payload) if reply.flow is None else reply.flow.length,
            call.trace.id,
            reply.cached,
        )
        self._recording.put(recorded)
        if isinstance(call.trace, Trace):
            call.trace.finish(recorded, version=call.version)
        level = logging.DEBUG if outcome in _EXPECTED else logging.WARNING
        if log.isEnabledFor(level):
            _tell(level, recorded)


_NOTHING: Final = Reply(b"")
_EXPECTED: Final = frozenset({"ok", "failed", "error", "cancelled"})


class _Tool(msgspec.Struct):
    isError: bool = False  # noqa: N815  # its name in MCP


_tool: Final = msgspec.json.Decoder(_Tool)


@lru_cache(maxsize=1_024)
def _joined(teams: tuple[str, ...]) -> str:
    return ",".join(teams)


def _failed(call: Call, reply: Reply) -> bool:
    """Whether the tool itself says that it failed."""
    if _MARK not in reply.payload or call.method != "tools/call":
        return False
    try:
        return _tool.decode(reply.payload).isError
    except msgspec.DecodeError:
        return False


def _tell(level: int, recorded: Recorded) -> None:
    log.log(
        level,
        "%s %s %s: %s",
        recorded.method,
        recorded.server,
        recorded.name,
        recorded.outcome,
        extra={
            "principal": recorded.principal,
            "server": recorded.server,
            "method": recorded.method,
            "called": recorded.name,
            "outcome": recorded.outcome,
            "ms": round(recorded.seconds * 1000, 2),
            "trace": recorded.trace,
        },
    )
