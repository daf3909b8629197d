"""The stream of one call of a legacy session."""

import asyncio
from collections.abc import Sequence
from typing import Final

from toolgate.errors import SlowClient
from toolgate.inbound.event_ids import stream_name
from toolgate.inbound.exchange import Outcome
from toolgate.inbound.questions import Questions
from toolgate.inbound.replay import Kept, ReplayChannel
from toolgate.pipeline.call import Reply
from toolgate.protocol.envelope import error_object, failure

__all__ = ["SessionChannel"]

_BYTES: Final = 4 * 1024 * 1024  # kept of one call
_MOST: Final = 16  # streams of one session that a client can come back to


class SessionChannel(ReplayChannel):
    """Implements `pipeline.call.Channel`, questions included.

    A client that loses the stream can come back for the rest, since a lost connection cancels nothing (2025-11-25,
    Streamable HTTP, Sending Messages). Nobody could come back to a stream that gave out no event id: there the call
    ends with the connection. `streams` are those of its session by their names, and `tag` is what these begin with.
    """

    __slots__ = ("_key", "_primed", "_questions", "_streams", "_tag", "_work", "alone", "outcome", "over")

    def __init__(
        self, key: bytes | None, questions: Questions, kept: Kept, streams: "dict[str, SessionChannel]", tag: str
    ) -> None:
        super().__init__(kept, _BYTES)
        self._key = key
        self._questions = questions
        self._streams = streams
        self._tag = tag
        self._primed = False
        self._work: asyncio.Task[Outcome] | None = None
        self.outcome: Outcome | None = None
        self.alone: Outcome | None = None  # where nothing came before it, so that it needs no stream
        self.over = False

    def follow(self, work: "asyncio.Task[Outcome]") -> None:
        """The outcome of `work` ends the stream."""
        self._work = work
        work.add_done_callback(self._done)

    def begin(self, *, primed: bool) -> None:
        """Give it a name, which makes it one that a client can come back to, where the session has room for that; from
        its first event on, or at once where it is `primed`."""
        if len(self._streams) >= _MOST:
            ended = next((stream for stream in self._streams.values() if stream.over and stream.reader is None), None)
            if ended is None:
                return
            ended.close()
        self._primed = primed
        self.name = stream_name(self._tag, self._key)
        self._streams[self.name] = self

    def send(self, message: bytes) -> bool:
        """False too where the client is away and more has come than is kept for it: the call is then given up, which
        the client gets to read when it comes back."""
        away = self.reader is None and self._can_be_found
        return not self.over and (not away or self._fit(len(message))) and super().send(message)

    async def ask(self, method: str, params: bytes | None) -> Reply:
        return await self._questions.ask(self.send, method, params)

    def close(self) -> None:
        self._streams.pop(self.name, None)
        self.name = ""
        if self._work is not None and not self._work.done():
            self._work.cancel()
        super().close()

    @property
    def _can_be_found(self) -> bool:
        return bool(self.name) and (self._primed or self.number > 0)

    def _done(self, work: "asyncio.Task[Outcome]") -> None:
        self.over = True
        self.wake()
        if work.cancelled():
            # By the client itself, which gets no answer (2025-11-25, Cancellation), or because nobody can come back.
            if self.reader is None:
                self.close()
            return
        self.outcome = outcome = work.result()
        if not self.name and not self.number and not self._messages:
            self.alone = outcome
        self._put_last((outcome.body,) if outcome.apart is None else outcome.apart)
        if self.reader is None:
            self._left()

    def _put_last(self, responses: Sequence[bytes]) -> None:
        """They always find room, since the client waits for them; where they are too large, an error does."""
        if self.reader is None and not self._fit(sum(map(len, responses))):
            error = SlowClient("the answer is too large to be kept for a client that has lost its connection")
            responses = (failure(self._key, error_object(error)),)
        for response in responses:
            self._messages.append(response)
            self._grow(len(response))

    def _left(self) -> None:
        if not self._can_be_found or (self.over and self.outcome is None):
            self.close()
            return
        self._expires()
        if self.over:
            self._kept.ended(self)

    def _expired(self) -> None:
        self.close()
