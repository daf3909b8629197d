"""The way back to a legacy client in the middle of its call: messages, and questions that it answers with a POST."""

import asyncio
from itertools import count
from typing import Final

from toolgate.errors import CannotAsk, SlowClient
from toolgate.inbound.channel import QueueChannel
from toolgate.pipeline.call import Reply
from toolgate.protocol.envelope import dump, notification, request

__all__ = ["Questions", "SessionChannel"]

_PATIENCE: Final = 600.0  # seconds that a person may take
_MOST: Final = 64  # questions that a session has not answered yet


class Questions:
    """What a session was asked and has not answered yet, by the ids that the gateway gave."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, asyncio.Future[Reply]] = {}
        self._numbers = count(1)

    def open(self) -> tuple[bytes, "asyncio.Future[Reply]"]:
        if len(self._waiting) >= _MOST:
            raise CannotAsk(f"the client has {_MOST} questions to answer already")
        key = b'"toolgate-%d"' % next(self._numbers)
        self._waiting[key] = asyncio.get_running_loop().create_future()
        return key, self._waiting[key]

    def close(self, key: bytes) -> None:
        self._waiting.pop(key, None)

    def answered(self, key: bytes | None, reply: Reply) -> None:
        """Answers to what was never asked, or was withdrawn, are ignored."""
        waiting = self._waiting.pop(key, None) if key is not None else None
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)


class SessionChannel(QueueChannel):
    """`questions` belong to the session, since answers come in POSTs of their own."""

    __slots__ = ("_questions",)

    def __init__(self, questions: Questions) -> None:
        super().__init__()
        self._questions = questions

    async def ask(self, method: str, params: bytes | None) -> Reply:
        key, answer = self._questions.open()
        try:
            if not self.send(request(key, method, params)):
                raise SlowClient("the client does not read what it is asked")
            async with asyncio.timeout(_PATIENCE):
                return await answer
        except TimeoutError:
            self._withdraw(key, "nobody answered")
            raise CannotAsk(f"the client did not answer {method} within {_PATIENCE:g} s") from None
        except asyncio.CancelledError:
            self._withdraw(key, "the call has ended")
            raise
        finally:
            self._questions.close(key)

    def _withdraw(self, key: bytes, reason: str) -> None:
        self.send(notification("notifications/cancelled", b'{"requestId":' + key + b',"reason":' + dump(reason) + b"}"))
