"""One call that may be parked, and its way back to whichever request of its client is there."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Raw

from toolgate.pipeline.call import Channel, Reply
from toolgate.protocol.envelope import Fields, dump, fields

__all__ = ["Parked", "ParkedChannel"]

_TOGETHER: Final = 0.02  # seconds in which questions count as asked together
_KEPT: Final = 256  # messages kept while no request is there to take them


class ParkedChannel:
    """A `pipeline.call.Channel` whose client comes and goes. `admit` raises `CannotAsk` where there is no room."""

    def __init__(self, channel: Channel, admit: Callable[[], None]) -> None:
        self._channel: Channel | None = channel
        self._admit = admit
        self._kept: deque[bytes] = deque(maxlen=_KEPT)
        self._questions: dict[str, tuple[bytes, asyncio.Future[Reply]]] = {}
        self._asked = 0
        self._news = asyncio.Event()

    def send(self, message: bytes) -> bool:
        if self._channel is not None:
            return self._channel.send(message)
        self._kept.append(message)
        return True

    async def ask(self, method: str, params: bytes | None) -> Reply:
        self._admit()
        self._asked += 1
        key = f"input-{self._asked}"
        question: dict[str, object] = {"method": method}
        if params is not None:
            question["params"] = as_modern(method, fields(params))
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._questions[key] = dump(question), answer
        self._news.set()
        try:
            return await answer
        finally:
            self._questions.pop(key, None)

    def answer(self, answers: Fields) -> None:
        """Deliver what the client answered. Unknown keys are ignored."""
        for key, answer in answers.items():
            if key in self._questions and not self._questions[key][1].done():
                self._questions[key][1].set_result(Reply(bytes(answer)))

    def open(self) -> Mapping[str, bytes]:
        """The questions that have no answer yet."""
        return {key: question for key, (question, answer) in self._questions.items() if not answer.done()}

    def attach(self, channel: Channel | None) -> None:
        """The request that is there now; what was kept meanwhile goes to it."""
        self._channel = channel
        while channel is not None and self._kept:
            channel.send(self._kept.popleft())

    def wake(self, _: object = None) -> None:
        self._news.set()

    async def news(self) -> None:
        await self._news.wait()
        self._news.clear()


class Parked:
    """`size` is that of its arguments, in bytes. `round` counts how often it was parked or taken up again: a
    `requestState` is good for one of them."""

    def __init__(
        self, number: int, principal: str, size: int, channel: ParkedChannel, task: "asyncio.Future[Reply]"
    ) -> None:
        self.number = number
        self.principal = principal
        self.size = size
        self.channel = channel
        self.task = task
        self.round = 0
        self._expiry: asyncio.TimerHandle | None = None

    async def until_done_or_asking(self) -> Mapping[str, bytes]:
        """The questions to pass on; none when the call has ended."""
        while not self.task.done():
            if self.channel.open():
                await asyncio.wait({self.task}, timeout=_TOGETHER)
                if questions := {} if self.task.done() else self.channel.open():
                    return questions
            else:
                await self.channel.news()
        return {}

    def park(self, patience: float, expired: Callable[[], None]) -> None:
        self.round += 1
        self.channel.attach(None)
        self._expiry = asyncio.get_running_loop().call_later(patience, expired)

    def take_up(self, channel: Channel) -> None:
        """Another request goes on with it; the state that brought it here is used up."""
        self.round += 1
        if self._expiry is not None:
            self._expiry.cancel()
        self.channel.attach(channel)

    def end(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
        self.task.cancel()
        self.task.add_done_callback(_seen)


def as_modern(method: str, params: Fields) -> Fields:
    """A legacy question in modern words: a form says that it is one, a URL has no id of its own."""
    if method != "elicitation/create":
        return params
    modern = {name: value for name, value in params.items() if name != "elicitationId"}
    return {"mode": Raw(b'"form"'), **modern}


def _seen(task: "asyncio.Future[Reply]") -> None:
    """What a call that was given up ended with is nobody's news."""
    if not task.cancelled():
        task.exception()
