"""What a legacy client is asked in the middle of its calls, and answers with POSTs of their own."""

import asyncio
from collections.abc import Callable
from itertools import count
from secrets import token_hex
from typing import Final

from toolgate.errors import CannotAsk, SlowClient
from toolgate.pipeline.call import Reply
from toolgate.protocol.envelope import dump, notification, request

__all__ = ["Questions"]

_PATIENCE: Final = 600.0  # seconds that a person may take
_MOST: Final = 64  # questions that a session has not answered yet


class Questions:
    """What a session was asked and has not answered yet, by the ids that the gateway gave."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, asyncio.Future[Reply]] = {}
        # A session outlives the process that asked: an answer to an earlier one's question is none to ours.
        self._prefix = b"toolgate-" + token_hex(4).encode()
        self._numbers = count(1)

    async def ask(self, send: Callable[[bytes], bool], method: str, params: bytes | None) -> Reply:
        """Ask over `send`. Raises `CannotAsk`, `SlowClient`."""
        key, answer = self._open()
        try:
            if not send(request(key, method, params)):
                raise SlowClient("the client does not read what it is asked")
            async with asyncio.timeout(_PATIENCE):
                return await answer
        except TimeoutError:
            send(_withdrawn(key, "nobody answered"))
            raise CannotAsk(f"the client did not answer {method} within {_PATIENCE:g} s") from None
        except asyncio.CancelledError:
            send(_withdrawn(key, "the call has ended"))
            raise
        finally:
            self._waiting.pop(key, None)

    def answered(self, key: bytes | None, reply: Reply) -> None:
        """Answers to what was never asked, or was withdrawn, are ignored."""
        waiting = self._waiting.pop(key, None) if key is not None else None
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)

    def _open(self) -> tuple[bytes, "asyncio.Future[Reply]"]:
        if len(self._waiting) >= _MOST:
            raise CannotAsk(f"the client has {_MOST} questions to answer already")
        key = b'"%s-%d"' % (self._prefix, next(self._numbers))
        self._waiting[key] = asyncio.get_running_loop().create_future()
        return key, self._waiting[key]


def _withdrawn(key: bytes, reason: str) -> bytes:
    return notification("notifications/cancelled", b'{"requestId":' + key + b',"reason":' + dump(reason) + b"}")
