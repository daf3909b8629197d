"""The bounded queue between the loop that reads a server and the stream that a client reads."""

import asyncio
from collections import deque
from typing import Final

from toolgate.errors import CannotAsk
from toolgate.pipeline.call import Reply

__all__ = ["QueueChannel"]

_LIMIT: Final = 1_000  # messages; a client this far behind does not read what it asked for


class QueueChannel:
    """Implements `pipeline.call.Channel`. One reader; `wake()` is also how its other events reach that reader."""

    __slots__ = ("_awake", "_messages")

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque()
        self._awake = asyncio.Event()

    def send(self, message: bytes) -> bool:
        if len(self._messages) >= _LIMIT:
            return False
        self._messages.append(message)
        self._awake.set()
        return True

    async def ask(self, method: str, params: bytes | None) -> Reply:
        """Nobody can be asked here."""
        raise CannotAsk(f"this client cannot be asked for {method}")

    def wake(self, _: object = None) -> None:
        self._awake.set()

    async def woken(self, timeout: float) -> bool:
        """Wait for a message or a `wake()`; False when `timeout` seconds passed in silence."""
        try:
            async with asyncio.timeout(timeout):
                await self._awake.wait()
        except TimeoutError:
            return False
        self._awake.clear()
        return True

    def taken(self) -> list[bytes]:
        """All that is queued, which leaves the queue empty."""
        messages = list(self._messages)
        self._messages.clear()
        return messages
