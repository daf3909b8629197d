"""What is said inside a legacy session, over whichever transport it comes."""

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext

from msgspec import UNSET

from toolgate.catalog.addresses import locate
from toolgate.errors import ToolgateError
from toolgate.inbound.answers import Answers, refusal, text
from toolgate.inbound.exchange import Outcome
from toolgate.inbound.legacy import Legacy
from toolgate.inbound.received import Received
from toolgate.inbound.sessions import Session
from toolgate.inbound.updates import Updates
from toolgate.pipeline.call import Channel, Reply
from toolgate.protocol.envelope import Message, failure, response
from toolgate.protocol.eras import Era

__all__ = ["InSession"]


class InSession:
    """Requests are answered here or by the servers; responses and notifications find what they are about."""

    def __init__(self, legacy: Legacy, answers: Answers, updates: Updates) -> None:
        self._legacy = legacy
        self._answers = answers
        self._updates = updates
        self._own = {
            "logging/setLevel": self._set_level,
            "resources/subscribe": self._subscribe,
            "resources/unsubscribe": self._unsubscribe,
        }

    def start(
        self,
        session: Session,
        key: bytes,
        received: Received,
        channel: Channel,
        turn: AbstractAsyncContextManager[object] | None = None,
    ) -> "asyncio.Task[Outcome]":
        """Begin to answer a request; inside `turn`, where it has to wait for one. Raises `InvalidRequest` for an id
        that is under way."""
        return self._legacy.run(session, key, self.answer(session, key, received, channel, turn))

    def take(self, session: Session, message: Message) -> None:
        """A response, or a notification."""
        if message.method is UNSET:
            self._legacy.answered(session, message)
        else:
            self._legacy.notified(session, message)

    async def answer(
        self,
        session: Session,
        key: bytes,
        received: Received,
        channel: Channel,
        turn: AbstractAsyncContextManager[object] | None = None,
    ) -> Outcome:
        """The response to one request. Never raises but for cancellation."""
        async with turn or nullcontext():
            own = self._own.get(received.method)
            if own is None:
                return await self._answers.answer(
                    received.exchange(
                        key, Era.LEGACY, session.version, session.log_level, session.capabilities, channel
                    )
                )
            try:
                reply = await own(session, received)
            except ToolgateError as error:
                return refusal(error, key, Era.LEGACY)
            return Outcome(failure(key, reply.payload) if reply.is_error else response(key, reply.payload))

    async def _set_level(self, session: Session, received: Received) -> Reply:
        self._legacy.set_level(session, received.params)
        return Reply(b"{}")

    async def _subscribe(self, session: Session, received: Received) -> Reply:
        uri = text(received.params, "uri")
        return await self._updates.subscribe(session, uri, locate(received.view, uri), received.params)

    async def _unsubscribe(self, session: Session, received: Received) -> Reply:
        return await self._updates.unsubscribe(session, text(received.params, "uri"))
