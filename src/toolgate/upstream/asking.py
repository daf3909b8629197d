"""What a legacy server asks of a client in the middle of that client's call: sampling, elicitation, roots."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from msgspec import UNSET

from toolgate.errors import CannotAsk, ToolgateError
from toolgate.pipeline.call import Call
from toolgate.protocol import envelope
from toolgate.protocol.capabilities import may_ask
from toolgate.protocol.envelope import Message
from toolgate.upstream.deadline import Deadline

__all__ = ["Asking"]

_log = logging.getLogger(__name__)

_MOST: Final = 256  # questions under way on one link
_NOBODY: Final = CannotAsk("there is no call under way whose client could be asked")
_FAULT: Final = ToolgateError("the gateway failed to ask; its log has the reason")
_TOO_MANY: Final = CannotAsk("too many questions are under way")


class Asking:
    """`answer` sends a JSON-RPC response to the server."""

    def __init__(self, answer: Callable[[bytes], None]) -> None:
        self._answer = answer
        self.asked: dict[bytes, tuple[Call, asyncio.Task[None]]] = {}

    def take(self, message: Message, call: Call | None, deadline: Deadline | None) -> None:
        """Bring the server's request to the client of `call`, and the client's answer back."""
        key = bytes(message.id) if message.id is not UNSET else b"null"
        params = bytes(message.params) if message.params is not UNSET else None
        if message.method == "ping":
            self._answer(envelope.response(key, b"{}"))
        elif call is None or deadline is None:
            self._refuse(key, _NOBODY)
        elif not may_ask(call.capabilities, str(message.method), params):
            self._refuse(key, CannotAsk(f"this client did not declare that it can be asked for {message.method}"))
        elif len(self.asked) >= _MOST or key in self.asked:
            self._refuse(key, _TOO_MANY)
        else:
            work = self._ask(key, str(message.method), params, call, deadline)
            task = asyncio.create_task(work, name=f"ask for {call.route.server}")
            self.asked[key] = call, task
            task.add_done_callback(lambda _: self.asked.pop(key, None))

    async def _ask(self, key: bytes, method: str, params: bytes | None, call: Call, deadline: Deadline) -> None:
        try:
            with deadline.held():
                reply = await call.channel.ask(method, params)
        except ToolgateError as error:
            self._refuse(key, error)
        except Exception:  # a fault of ours must not leave the server waiting for ever
            _log.exception("what server %r asked could not be brought to its client", call.route.server)
            self._refuse(key, _FAULT)
        else:
            answer = envelope.failure if reply.is_error else envelope.response
            self._answer(answer(key, reply.payload))

    def _refuse(self, key: bytes, error: ToolgateError) -> None:
        self._answer(envelope.failure(key, envelope.error_object(error)))

    def withdraw(self, message: Message) -> None:
        """The server cancels what it asked (2025-11-25, Cancellation)."""
        asked = self.asked.get(bytes(envelope.fields(message.params).get("requestId", b"")))
        if asked is not None:
            asked[1].cancel()

    def ended(self, call: Call) -> None:
        """The call is over: nobody waits for the answers any more."""
        for asked, task in tuple(self.asked.values()):
            if asked is call:
                task.cancel()
