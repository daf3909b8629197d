"""The events of the legacy era's streams, so that a client that lost its stream can resume it."""

from collections import deque
from typing import Final

from mcp.server.streamable_http import EventCallback, EventId, EventMessage, EventStore, StreamId
from mcp_types import JSONRPCMessage

__all__ = ["RecentEvents"]

_KEPT: Final = 10_000


class RecentEvents(EventStore):
    """The last events, numbered. A priming event, which holds no message, is a place to resume from, not to replay."""

    def __init__(self) -> None:
        self._events: deque[tuple[int, StreamId, JSONRPCMessage | None]] = deque(maxlen=_KEPT)
        self._last = 0

    async def store_event(self, stream_id: StreamId, message: JSONRPCMessage | None) -> EventId:
        self._last += 1
        self._events.append((self._last, stream_id, message))
        return str(self._last)

    async def replay_events_after(self, last_event_id: EventId, send_callback: EventCallback) -> StreamId | None:
        number = int(last_event_id)
        stream = next((stream for event, stream, _ in self._events if event == number), None)
        if stream is None:
            return None
        for event, of, message in list(self._events):
            if event > number and of == stream and message is not None:
                await send_callback(EventMessage(message, str(event)))
        return stream
