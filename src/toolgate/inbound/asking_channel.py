"""The way back to a client that can be asked in the middle of its calls, over a stream that calls share."""

from collections.abc import Callable

from toolgate.inbound.questions import Questions
from toolgate.pipeline.call import Reply

__all__ = ["AskingChannel"]


class AskingChannel:
    """Implements `pipeline.call.Channel`. `send` is that of the stream."""

    def __init__(self, send: Callable[[bytes], bool], questions: Questions) -> None:
        self.send = send
        self._questions = questions

    async def ask(self, method: str, params: bytes | None) -> Reply:
        return await self._questions.ask(self.send, method, params)
