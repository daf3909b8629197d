"""The legacy era over Streamable HTTP: `initialize`, sessions, the GET stream (2025-11-25, Transports)."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from msgspec import UNSET

from toolgate.catalog.snapshot import View
from toolgate.errors import InvalidParams, InvalidRequest, SlowClient
from toolgate.http.request import Head, Request
from toolgate.inbound.announce import Announcer
from toolgate.inbound.answers import text
from toolgate.inbound.closing import more_of
from toolgate.inbound.event_ids import place, request_of
from toolgate.inbound.exchange import Outcome
from toolgate.inbound.reader import Reader
from toolgate.inbound.session_channel import SessionChannel
from toolgate.inbound.sessions import Session, Sessions
from toolgate.inbound.wire import EventStream
from toolgate.model.freshness import INTRODUCTION
from toolgate.model.principal import Principal
from toolgate.pipeline.call import Reply
from toolgate.protocol.capabilities import declared
from toolgate.protocol.envelope import Fields, Message, dump, error_object, failure, fields, response
from toolgate.protocol.eras import LATEST_LEGACY, LEGACY_VERSIONS, LOG_LEVELS

__all__ = ["Legacy"]

_PRIMES: Final = "2025-11-25"  # the first revision whose streams begin with an event without a message


class Legacy:
    """What only the legacy era knows."""

    def __init__(self, sessions: Sessions, announcer: Announcer) -> None:
        self._sessions = sessions
        self._announcer = announcer

    def initialize(
        self, key: bytes, params: Fields, *, view: View, endpoint: str, principal: Principal
    ) -> tuple[Outcome, Session]:
        """Open a session in the revision that the client asks for, or in the newest legacy one."""
        asked = text(params, "protocolVersion")
        version = asked if asked in LEGACY_VERSIONS else LATEST_LEGACY
        session = self._sessions.open(endpoint, principal, version, declared(params.get("capabilities")))
        result: dict[str, Any] = {
            "protocolVersion": version,
            "capabilities": view.capabilities,
            "serverInfo": view.server_info,
        }
        if view.instructions:
            result["instructions"] = view.instructions
        result |= more_of(view, INTRODUCTION)
        return Outcome(response(key, dump(result))), session

    def set_level(self, session: Session, params: Fields) -> None:
        level = text(params, "level")
        if level not in LOG_LEVELS:
            raise InvalidParams(f"level must be one of {', '.join(LOG_LEVELS)}")
        session.log_level = level

    def run(self, session: Session, key: bytes, work: Coroutine[Any, Any, Outcome]) -> "asyncio.Task[Outcome]":
        """Start a request of the session; `notifications/cancelled` finds it by its id."""
        if key in session.in_flight:
            work.close()
            raise InvalidRequest(f"a request with the id {key.decode()} is still under way")
        task = asyncio.create_task(work)
        session.in_flight[key] = task
        task.add_done_callback(lambda _: session.in_flight.pop(key, None))
        return task

    def answered(self, session: Session, message: Message) -> None:
        """The client's answer to what it was asked in the middle of a call."""
        if message.result is not UNSET:
            session.questions.answered(message.key, Reply(bytes(message.result)))
        elif message.error is not UNSET:
            session.questions.answered(message.key, Reply(bytes(message.error), is_error=True))

    def notified(self, session: Session, message: Message) -> None:
        """A notification from the client. Unknown ones, and those about requests that have ended, are ignored."""
        if message.method == "notifications/cancelled":
            key = fields(message.params).get("requestId")
            task = session.in_flight.get(bytes(key)) if key is not None else None
            if task is not None:
                task.cancel()

    async def answer(
        self,
        session: Session,
        stream: SessionChannel,
        work: "asyncio.Task[Outcome]",
        request: Request,
        head: Head,
    ) -> None:
        """Bring the client the outcome of a request, on this connection or on one that resumes it."""
        stream.follow(work)
        await Reader(stream, request, head).answer(stream, primes=session.version >= _PRIMES)

    async def stream(self, session: Session, last: str, request: Request, head: Head) -> None:
        """The stream of a GET: that of a call, from after its event `last` on; or else announcements, until the client
        or the session ends it or opens another."""
        name, number = place(last)
        call = session.calls.get(name)
        if call is not None and call.number < number:
            call, name = None, ""  # an event that never was
        if call is not None and call.rewind(number):
            await Reader(call, request, head).read(lambda: call.over)
        elif key := request_of(name, session.tag):
            if call is not None:
                call.close()
            await _tell_lost(key, EventStream(request, head))
        else:
            await self._announce(session, name, number, request, head)

    async def _announce(self, session: Session, name: str, number: int, request: Request, head: Head) -> None:
        before = session.announcements
        if not name or before.name != name or not before.rewind(number):
            session.announcements = before.begin()
        reader = Reader(session.announcements, request, head)
        self._announcer.catch_up(session)
        await reader.read(self._announcer.draining.is_set)


async def _tell_lost(key: bytes, events: EventStream) -> None:
    """Answer a request whose stream nobody can read any more: its client would wait for ever."""
    error = SlowClient(
        "the client came back too late for this answer, or the gateway was restarted meanwhile",
        hint="make the request again",
    )
    await events.message(failure(key, error_object(error)))
    events.end()
