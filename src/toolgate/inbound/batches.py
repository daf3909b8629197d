"""JSON-RPC batches. Revision 2025-03-26 alone has them, and there everyone must understand them (Base Protocol,
Batching)."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec
from msgspec import UNSET, Raw

from toolgate.errors import InvalidRequest, ParseError, ToolgateError
from toolgate.inbound.answers import refusal
from toolgate.inbound.exchange import Outcome
from toolgate.inbound.in_session import InSession
from toolgate.inbound.received import Received
from toolgate.inbound.sessions import Session
from toolgate.pipeline.call import Channel
from toolgate.protocol.envelope import Message, parse
from toolgate.protocol.eras import Era

__all__ = ["Batch", "is_batch", "split"]

_REVISION: Final = "2025-03-26"
_MOST: Final = 100  # messages
_AT_ONCE: Final = 16  # requests of one batch
_list: Final = msgspec.json.Decoder(list[Raw])


def is_batch(body: bytes) -> bool:
    return body[:1] != b"{" and body.lstrip()[:1] == b"["


def split(body: bytes, version: str) -> list[bytes]:
    """The messages of a batch, unread. Raises `ParseError` and `InvalidRequest`."""
    if version != _REVISION:
        raise InvalidRequest(f"MCP {version} has no batches", hint="send each message alone")
    try:
        messages = _list.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ParseError(f"the body is not JSON: {error}") from None
    if not 0 < len(messages) <= _MOST:
        raise InvalidRequest(f"a batch holds 1 to {_MOST} messages, not {len(messages)}")
    return [bytes(message) for message in messages]


class Batch:
    """The messages of one POST. `received` brings a message together with its caller."""

    def __init__(
        self, session: Session, in_session: InSession, received: Callable[[Message], Received], channel: Channel
    ) -> None:
        self._session = session
        self._in_session = in_session
        self._received = received
        self._channel = channel
        self._turns = asyncio.Semaphore(_AT_ONCE)

    def start(self, messages: Iterable[bytes]) -> "asyncio.Task[Outcome] | None":
        """Handle each as if it had come alone; None where nothing of it is answered."""
        begun = [answer for message in messages if (answer := self._begin(message)) is not None]
        return asyncio.create_task(_together(begun)) if begun else None

    def _begin(self, raw: bytes) -> "asyncio.Task[Outcome] | Outcome | None":
        key: bytes | None = None
        try:
            message = parse(raw)
            key = message.key
            if message.method is UNSET or key is None:
                self._in_session.take(self._session, message)
                return None
            if message.method == "initialize":
                # 2025-03-26, Lifecycle, Initialization.
                raise InvalidRequest("initialize must not be part of a batch")
            return self._in_session.start(self._session, key, self._received(message), self._channel, self._turns)
        except ToolgateError as error:
            return refusal(error, key, Era.LEGACY)


async def _together(begun: "Sequence[asyncio.Task[Outcome] | Outcome]") -> Outcome:
    """All responses, in the order of their requests. One that the client cancelled has none."""
    tasks = [answer for answer in begun if isinstance(answer, asyncio.Task)]
    try:
        if tasks:
            await asyncio.wait(tasks)
    finally:
        for task in tasks:
            task.cancel()
    done = [answer for answer in begun if isinstance(answer, Outcome) or not answer.cancelled()]
    bodies = [answer.body if isinstance(answer, Outcome) else answer.result().body for answer in done]
    if not bodies:
        return Outcome(b"", 202, ())
    return Outcome(b"[" + b",".join(bodies) + b"]", 200, tuple(bodies))
