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

__all__ = ["Record", "Recording", "outcome_of"]

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

    @property
    def full(self) -> bool:
        """There is no room for the record of another call."""
        return self._recording.full

    async def __call__(self, call: Call, proceed: Proceed) -> Reply:
        if call.sent is not None:
            at, began = call.sent.at, call.sent.began
        else:
            if self._recording.full:
                await self._recording.room()  # before the call: what happens is on record
            at, began = time(), perf_counter()
        if isinstance(call.trace, Trace):
            call.trace.group("admission")
        outcome, reply = "internal", _NOTHING
        try:
            reply = await proceed(call)
            outcome = outcome_of(call, reply)
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        except ToolgateError as error:
            outcome = error.code
            raise
        finally:
            self.leave(call, reply, at, perf_counter() - began, outcome)
        return reply

    def leave(self, call: Call, reply: Reply, at: float, seconds: float, outcome: str) -> None:
        """The record of a call that has ended."""
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
            call.era._value_,  # `value` is a Python function
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


def outcome_of(call: Call, reply: Reply) -> str:
    """See `Recorded.outcome`."""
    if reply.is_error:
        return "error"
    if _MARK not in reply.payload or call.method != "tools/call":
        return "ok"
    try:
        return "failed" if _tool.decode(reply.payload).isError else "ok"
    except msgspec.DecodeError:
        return "ok"


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
