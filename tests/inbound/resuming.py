"""Clients of the legacy era that lose a stream and come back for the rest: what their tests share."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.inbound.conftest import Front
from tests.inbound.test_legacy import request
from toolgate.inbound.sessions import Session
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol.envelope import notification
from toolgate.protocol.sse import Decoder, Event

__all__ = [
    "CALL",
    "Reading",
    "Talk",
    "away",
    "begin",
    "leave",
    "only",
    "posted",
    "progress",
    "resumed",
    "talking",
    "until",
]

CALL = {"name": "one__look"}


class Talk:
    """A call that is in the hands of the test: what it says, and how it ends."""

    def __init__(self, front: Front) -> None:
        self.ended = asyncio.Event()
        self._calls: asyncio.Queue[Call] = asyncio.Queue()
        self._reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._said = 0
        front.road = self

    async def __call__(self, call: Call) -> Reply:
        self._calls.put_nowait(call)
        try:
            return await self._reply
        finally:
            self.ended.set()

    async def begun(self) -> None:
        self.call = await asyncio.wait_for(self._calls.get(), 10)

    def say(self, count: int = 1, padding: str = "") -> bool:
        """Whether the last of them was taken."""
        taken = True
        for _ in range(count):
            self._said += 1
            params = json.dumps({"progress": self._said, "padding": padding}).encode()
            taken = self.call.channel.send(notification("notifications/progress", params))
        return taken

    def end(self, result: bytes = b'{"content":[]}') -> None:
        self._reply.set_result(Reply(result))


class Reading:
    """The events of one response."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self.events: list[Event] = []
        self._decoder = Decoder(100_000_000)
        self._read: list[Event] = []

    async def next(self) -> Event:
        async with asyncio.timeout(10):
            while not self._read:
                chunk = await self.answer.content.readany()
                assert chunk, "the stream has ended"
                self._read += self._decoder.feed(chunk)
        self.events.append(self._read.pop(0))
        return self.events[-1]

    async def messages(self, count: int) -> list[Any]:
        return [json.loads((await self.next()).data) for _ in range(count)]

    async def rest(self) -> list[Any]:
        """All until the stream ends."""
        async with asyncio.timeout(10):
            while chunk := await self.answer.content.readany():
                self._read += self._decoder.feed(chunk)
        self.events += self._read
        return [json.loads(event.data) for event in self._read if event.data]

    @property
    def last(self) -> str:
        return self.events[-1].id


@asynccontextmanager
async def posted(front: Front, session: dict[str, str], key: Any = 7) -> AsyncIterator[Reading]:
    async with front.post(request("tools/call", CALL, key), session) as answer:
        assert answer.content_type == "text/event-stream"
        yield Reading(answer)


@asynccontextmanager
async def resumed(front: Front, session: dict[str, str], last: str | None = None) -> AsyncIterator[Reading]:
    headers = {**session, "Accept": "text/event-stream"} | ({} if last is None else {"Last-Event-ID": last})
    async with front.http.get(front.url + "/mcp", headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        yield Reading(answer)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # there is no event of it
            await asyncio.sleep(0)


def only(front: Front) -> Session:
    [session] = front.sessions.all()
    return session


async def away(front: Front) -> None:
    """Until the gateway knows that nobody reads the streams of the one session's calls."""
    await until(lambda: all(call.reader is None for call in only(front).calls.values()))


def progress(messages: list[Any]) -> list[int]:
    return [message["params"]["progress"] for message in messages if "method" in message]


@asynccontextmanager
async def talking(front: Front, version: str = "2025-11-25", key: Any = 7) -> AsyncIterator[tuple[Any, Talk, Reading]]:
    """A call whose stream has begun with one message."""
    session = await front.initialize(version)
    talk = Talk(front)
    asking = asyncio.create_task(begin(talk))
    async with posted(front, session, key) as reading:
        await asking
        yield session, talk, reading


async def begin(talk: Talk) -> None:
    """The call, and its stream with one message."""
    await talk.begun()
    talk.say()


async def leave(front: Front, session: dict[str, str], key: int) -> Talk:
    """Begin a call and lose its connection."""
    talk = Talk(front)
    asking = asyncio.create_task(begin(talk))
    async with posted(front, session, key) as reading:
        await asking
        assert (await reading.next()).id
    return talk
