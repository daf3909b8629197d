"""The legacy era over Streamable HTTP: `initialize`, sessions, the GET stream (2025-11-25, Transports)."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from msgspec import UNSET

from toolgate.catalog.snapshot import View
from toolgate.errors import InvalidParams, InvalidRequest
from toolgate.inbound.announce import Announcer
from toolgate.inbound.answers import text
from toolgate.inbound.channel import QueueChannel
from toolgate.inbound.deliver import disconnected, pass_on
from toolgate.inbound.exchange import Outcome
from toolgate.inbound.sessions import Session, Sessions
from toolgate.inbound.wire import EventStream, Head, Receive, Send
from toolgate.model.principal import Principal
from toolgate.pipeline.call import Reply
from toolgate.protocol.capabilities import declared
from toolgate.protocol.envelope import Fields, Message, dump, fields, response
from toolgate.protocol.eras import LATEST_LEGACY, LEGACY_VERSIONS, LOG_LEVELS

__all__ = ["KEEP_ALIVE", "Legacy"]

KEEP_ALIVE: Final = 15.0  # seconds between comment lines on a silent stream


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

    async def stream(self, session: Session, receive: Receive, send: Send, head: Head) -> None:
        """The stream of a GET: announcements, until the client or the session ends it or opens another."""
        channel = QueueChannel()
        before, session.stream = session.stream, channel
        if before is not None:
            before.wake()
        gone = asyncio.create_task(disconnected(receive))
        gone.add_done_callback(channel.wake)
        events = EventStream(send, head)
        try:
            await events.begin()
            self._announcer.catch_up(session)
            while session.stream is channel and not gone.done() and not self._announcer.draining.is_set():
                heard = await channel.woken(KEEP_ALIVE)
                await pass_on(events, channel, heard=heard)
            if not gone.done():
                await events.end()
        except (TimeoutError, OSError):
            pass  # the client does not read any more
        finally:
            gone.cancel()
            if session.stream is channel:
                session.stream = None
