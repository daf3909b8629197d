"""Clients of the legacy era that lose a stream and come back for the rest."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from mcp import Client

from tests.inbound.conftest import Front, items
from tests.inbound.test_legacy import request
from toolgate.inbound.sessions import Session
from toolgate.model.tool import Catalogue, Item, Kind
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol.envelope import notification
from toolgate.protocol.sse import Decoder, Event

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
    asking = asyncio.create_task(anext_of(talk))
    async with posted(front, session, key) as reading:
        await asking
        yield session, talk, reading


async def anext_of(talk: Talk) -> None:
    await talk.begun()
    talk.say()


async def test_a_stream_begins_with_an_event_to_come_back_to(front: Front) -> None:
    async with talking(front) as (session, talk, reading):
        first = await reading.next()
        assert first.data == b""
        assert first.id
        talk.end()
        assert len(await reading.rest()) == 2
        assert len({event.id for event in reading.events}) == 3
    async with resumed(front, session, first.id) as again:
        messages = await again.rest()
    assert progress(messages) == [1]
    assert messages[-1] == {"jsonrpc": "2.0", "id": 7, "result": {"content": []}}


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18"])
async def test_earlier_revisions_get_no_event_without_a_message(front: Front, version: str) -> None:
    async with talking(front, version) as (session, talk, reading):
        assert progress(await reading.messages(1)) == [1]
        talk.say()
    async with resumed(front, session, reading.last) as again:
        assert progress(await again.messages(1)) == [2]
        talk.end()
        assert len(await again.rest()) == 1


@pytest.mark.parametrize("cut", range(6))
async def test_every_message_comes_once_wherever_the_connection_breaks(front: Front, cut: int) -> None:
    async with talking(front) as (session, talk, reading):
        await reading.next()
        talk.say(5)
        before = await reading.messages(cut)
    talk.say(2)
    async with resumed(front, session, reading.last) as again:
        after = await again.messages(8 - cut)
        talk.say()
        talk.end()
        after += await again.rest()
    assert progress(before + after) == list(range(1, 10))
    assert after[-1]["id"] == 7
    assert not talk.call.channel.send(b"{}"), "nothing follows the answer"


async def test_a_call_goes_on_while_its_client_is_away_and_its_answer_is_kept(front: Front) -> None:
    async with talking(front) as (session, talk, reading):
        await reading.next()
        await reading.messages(1)
    await away(front)
    talk.say(2)
    talk.end()
    await asyncio.wait_for(talk.ended.wait(), 10)
    async with resumed(front, session, reading.last) as again:
        messages = await again.rest()
    assert progress(messages) == [2, 3]
    assert messages[-1]["result"] == {"content": []}


async def test_a_client_can_come_back_twice_and_for_the_same(front: Front) -> None:
    async with talking(front) as (session, talk, reading):
        await reading.next()
        await reading.messages(1)
    talk.say(3)
    async with resumed(front, session, reading.last) as second:
        assert progress(await second.messages(1)) == [2]
    async with resumed(front, session, second.last) as third:
        assert progress(await third.messages(2)) == [3, 4]
        talk.end()
        assert len(await third.rest()) == 1
    for _ in range(2):
        async with resumed(front, session, second.last) as again:
            assert progress(await again.rest()) == [3, 4]
    async with resumed(front, session, third.last) as after:
        assert await after.rest() == [], "nothing is left"


async def test_the_connection_that_came_last_reads_alone(front: Front) -> None:
    async with talking(front) as (session, talk, first):
        await first.next()
        await first.messages(1)
        async with resumed(front, session, first.last) as second:
            assert await first.rest() == [], "the first ends"
            talk.say()
            talk.end()
            assert progress(await second.rest()) == [2]


async def test_two_streams_do_not_mix(front: Front) -> None:
    async with talking(front, key="a") as (session, one, first):
        await first.next()
        await first.messages(1)
        two = Talk(front)
        asking = asyncio.create_task(anext_of(two))
        async with posted(front, session, "b") as second:
            await asking
            await second.next()
            await second.messages(1)
    one.say(2)
    two.say(1)
    async with (
        resumed(front, session, first.last) as again,
        resumed(front, session, second.last) as too,
        resumed(front, session) as announcements,
    ):
        one.end(b'{"of":"a"}')
        two.end(b'{"of":"b"}')
        [*said, answer] = await again.rest()
        assert (progress(said), answer["id"], answer["result"]) == ([2, 3], "a", {"of": "a"})
        [*said, answer] = await too.rest()
        assert (progress(said), answer["id"], answer["result"]) == ([2], "b", {"of": "b"})
        front.catalog.learn("two", Catalogue({}))
        assert (await announcements.messages(1))[0]["method"] == "notifications/tools/list_changed"


async def test_a_client_that_leaves_before_the_stream_began_cannot_come_back(front: Front) -> None:
    session = await front.initialize()
    talk = Talk(front)
    asking = asyncio.create_task(
        front.http.post(
            front.url + "/mcp",
            json=request("tools/call", CALL),
            headers={**session, "Accept": "application/json, text/event-stream"},
        )
    )
    await talk.begun()
    asking.cancel()
    await asyncio.wait_for(talk.ended.wait(), 10)
    assert not only(front).calls


async def test_a_call_that_nobody_comes_back_for_is_cancelled(front: Front) -> None:
    front.sessions.kept.patience = 0.01
    async with talking(front) as (session, talk, reading):
        await reading.next()
    await asyncio.wait_for(talk.ended.wait(), 10)
    assert not only(front).calls
    assert front.sessions.kept.size == 0
    async with resumed(front, session, reading.last) as again:
        [answer] = await again.rest()
    assert (answer["id"], answer["error"]["code"]) == (7, -31021), "its client does not wait for ever"


async def test_an_answer_is_kept_for_a_while(front: Front) -> None:
    front.sessions.kept.patience = 0.01
    async with talking(front) as (_, talk, reading):
        await reading.next()
        talk.end()
        await reading.rest()
    await until(lambda: not only(front).calls)
    assert front.sessions.kept.size == 0


async def test_a_client_of_a_gateway_that_was_restarted_gets_an_answer(front: Front) -> None:
    async with talking(front, key='a "quoted" id') as (session, talk, reading):
        await reading.next()
        front.sessions.close()
        await asyncio.wait_for(talk.ended.wait(), 10)
    async with resumed(front, session, reading.last) as again:
        [answer] = await again.rest()
    assert answer["id"] == 'a "quoted" id'
    assert "restarted" in answer["error"]["message"]


@pytest.mark.parametrize(
    "last", ["", "x", "-", "x-1", "-1", "a.b.c-1", "9" * 500, "x-99999999999999999999", "\u00e9-1"]
)
async def test_an_event_that_never_was_begins_a_fresh_stream(front: Front, last: str) -> None:
    session = await front.initialize()
    async with resumed(front, session, last) as stream:
        front.catalog.learn("two", Catalogue({}))
        assert (await stream.messages(1))[0]["method"] == "notifications/tools/list_changed"


async def test_the_events_of_another_session_are_nobody_elses(front: Front) -> None:
    async with talking(front) as (_, talk, reading):
        await reading.next()
        await reading.messages(1)
        talk.say()
        stranger = await front.initialize()
        async with resumed(front, stranger, reading.last) as stream:
            front.catalog.learn("two", Catalogue({}))
            assert (await stream.messages(1))[0]["method"] == "notifications/tools/list_changed"
        assert progress(await reading.messages(1)) == [2]


async def test_an_event_that_was_not_sent_yet_harms_no_call(front: Front) -> None:
    async with talking(front) as (session, talk, reading):
        await reading.next()
        name, _, _ = reading.last.rpartition("-")
        async with resumed(front, session, f"{name}-99") as stream:
            front.catalog.learn("two", Catalogue({}))
            assert (await stream.messages(1))[0]["method"] == "notifications/tools/list_changed"
        talk.end()
        assert len(await reading.rest()) == 2


async def test_a_question_waits_for_a_client_that_is_away(front: Front) -> None:
    async with talking(front) as (session, talk, reading):
        await reading.next()
    await away(front)
    asking = asyncio.create_task(talk.call.channel.ask("roots/list", None))
    async with resumed(front, session, reading.last) as again:
        [_, question] = await again.messages(2)
        async with front.post({"jsonrpc": "2.0", "id": question["id"], "result": {"roots": []}}, session) as answer:
            assert answer.status == 202
        assert (await asyncio.wait_for(asking, 10)).payload == b'{"roots": []}'
        talk.end()
        await again.rest()


async def test_a_client_that_is_away_can_cancel(front: Front) -> None:
    async with talking(front) as (session, talk, reading):
        await reading.next()
    await away(front)
    note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
    async with front.post(note, session):
        pass
    await asyncio.wait_for(talk.ended.wait(), 10)
    await until(lambda: not only(front).calls)
    assert front.sessions.kept.size == 0


async def test_a_session_that_ends_takes_its_streams_with_it(front: Front) -> None:
    async with talking(front) as (session, talk, reading):
        await reading.next()
    await away(front)
    async with front.http.delete(front.url + "/mcp", headers=session) as answer:
        assert answer.status == 204
    await asyncio.wait_for(talk.ended.wait(), 10)
    await until(lambda: front.sessions.kept.size == 0)


# Bounds


async def test_a_call_that_says_too_much_to_a_client_that_is_away_is_told_so(front: Front) -> None:
    async with talking(front) as (session, talk, reading):
        await reading.next()
        await reading.messages(1)
    await away(front)
    assert talk.say(256)
    assert not talk.say(), "from here on it is given up"
    talk.end()
    async with resumed(front, session, reading.last) as again:
        messages = await again.rest()
    assert progress(messages) == list(range(2, 258))
    assert messages[-1]["id"] == 7


async def test_bytes_count_too(front: Front) -> None:
    async with talking(front) as (_, talk, reading):
        await reading.next()
    await away(front)
    assert talk.say(3, "x" * 1024 * 1024)
    assert not talk.say(1, "x" * 1024 * 1024)
    assert front.sessions.kept.size < 4 * 1024 * 1024
    talk.end()


async def test_an_answer_that_is_too_large_to_be_kept_is_an_error_that_says_so(front: Front) -> None:
    async with talking(front) as (session, talk, reading):
        await reading.next()
    await away(front)
    talk.end(b'"' + b"x" * 4 * 1024 * 1024 + b'"')
    async with resumed(front, session, reading.last) as again:
        messages = await again.rest()
    assert (messages[-1]["id"], messages[-1]["error"]["code"]) == (7, -31021)
    assert "too large" in messages[-1]["error"]["message"]


async def test_a_large_answer_reaches_a_client_that_is_there(front: Front) -> None:
    async with talking(front) as (session, talk, reading):
        await reading.next()
        await reading.messages(1)
        talk.end(b'"' + b"x" * 5 * 1024 * 1024 + b'"')
        [answer] = await reading.rest()
        assert len(answer["result"]) == 5 * 1024 * 1024
    async with resumed(front, session, reading.events[0].id) as again:
        [answer] = await again.rest()
    assert answer["error"]["code"] == -31021, "it was not kept"


async def test_a_session_has_a_bounded_number_of_streams_to_come_back_to(front: Front) -> None:
    async with talking(front, key=0) as (session, talk, first):
        await first.next()
        talks = [talk, *[await leave(front, session, key) for key in range(1, 16)]]
        await until(lambda: sum(call.reader is None for call in only(front).calls.values()) == 15)
        last = Talk(front)
        asking = asyncio.create_task(anext_of(last))
        async with posted(front, session, 16) as reading:
            await asking
            assert (await reading.next()).id == "", "it works, but not to come back to"
        await asyncio.wait_for(last.ended.wait(), 10)
        assert len(only(front).calls) == 16
        talks[5].end()
        await asyncio.wait_for(talks[5].ended.wait(), 10)
        await leave(front, session, 17)
        assert len(only(front).calls) == 16, "one that had ended made room"


async def leave(front: Front, session: dict[str, str], key: int) -> Talk:
    """Begin a call and lose its connection."""
    talk = Talk(front)
    asking = asyncio.create_task(anext_of(talk))
    async with posted(front, session, key) as reading:
        await asking
        assert (await reading.next()).id
    return talk


async def test_all_sessions_together_keep_a_bounded_number_of_bytes(front: Front) -> None:
    kept = front.sessions.kept
    kept._limit = 2_000_000
    talks = [await leave(front, await front.initialize(), 7) for _ in range(2)]
    calls = [call for session in front.sessions.all() for call in session.calls.values()]
    await until(lambda: all(call.reader is None for call in calls))
    assert talks[0].say(1, "x" * 900_000)
    assert talks[1].say(1, "x" * 900_000)
    assert not talks[0].say(1, "x" * 900_000)
    talks[1].end()
    await until(lambda: calls[1].over)
    assert talks[0].say(1, "x" * 900_000), "what had ended made room"
    assert [bool(call.name) for call in calls] == [True, False]
    assert 1_800_000 < kept.size <= 2_000_000


# The stream of a GET


async def test_announcements_that_were_missed_are_replayed(front: Front) -> None:
    session = await front.initialize()
    async with resumed(front, session) as first:
        only(front).notify(b'{"n":1}')
        assert await first.messages(1) == [{"n": 1}]
    only(front).notify(b'{"n":2}')
    async with resumed(front, session, first.last) as second:
        only(front).notify(b'{"n":3}')
        assert await second.messages(2) == [{"n": 2}, {"n": 3}]
    async with resumed(front, session, first.last) as third:
        assert await third.messages(2) == [{"n": 2}, {"n": 3}]


async def test_what_was_delivered_on_one_stream_is_not_on_a_fresh_one(front: Front) -> None:
    session = await front.initialize()
    async with resumed(front, session) as first:
        only(front).notify(b'{"n":1}')
        await first.messages(1)
    await until(lambda: only(front).stream is None)
    only(front).notify(b'{"n":2}')
    async with resumed(front, session) as second:
        assert await second.messages(1) == [{"n": 2}]
        assert first.last.rpartition("-")[0] != second.last.rpartition("-")[0]
        async with resumed(front, session, first.last) as third:
            assert await second.rest() == []
            only(front).notify(b'{"n":3}')
            assert await third.messages(1) == [{"n": 3}], "a stream that another replaced is forgotten"


async def test_announcements_wait_for_a_stream_and_the_oldest_make_room(front: Front) -> None:
    session = await front.initialize()
    for number in range(300):
        only(front).notify(b'{"n":%d}' % number)
    async with resumed(front, session) as stream:
        assert [message["n"] for message in await stream.messages(256)] == list(range(44, 300))


async def test_a_burst_on_an_open_stream_loses_nothing(front: Front) -> None:
    session = await front.initialize()
    async with resumed(front, session) as stream:
        for number in range(900):
            only(front).notify(b'{"n":%d}' % number)
        assert [message["n"] for message in await stream.messages(900)] == list(range(900))


async def test_what_was_sent_is_forgotten_after_a_while_and_what_was_not_is_kept(front: Front) -> None:
    front.sessions.kept.patience = 0.01
    session = await front.initialize()
    async with resumed(front, session) as first:
        only(front).notify(b'{"n":1}')
        await first.messages(1)
    await until(lambda: front.sessions.kept.size == 0)
    only(front).notify(b'{"n":2}')
    async with resumed(front, session) as second:
        assert await second.messages(1) == [{"n": 2}]


async def test_the_modern_era_has_no_event_ids(front: Front) -> None:
    talk = Talk(front)
    asking = asyncio.create_task(anext_of(talk))
    async with front.modern("tools/call", CALL) as answer:
        await asking
        reading = Reading(answer)
        event = await reading.next()
        assert event.id == ""
        assert event.data
    await asyncio.wait_for(talk.ended.wait(), 10)


async def test_a_change_of_lists_is_announced_to_a_client_that_resumes(front: Front) -> None:
    session = await front.initialize()
    async with resumed(front, session) as first:
        only(front).notify(b'{"n":1}')
        await first.messages(1)
    await until(lambda: only(front).stream is None)
    front.catalog.learn("two", Catalogue({Kind.TOOLS: items(Kind.TOOLS, "new")}))
    async with resumed(front, session, first.last) as second:
        assert (await second.messages(1))[0]["method"] == "notifications/tools/list_changed"


# A client that others wrote


class Line:
    """A way to the front that can be cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, to]
        await asyncio.gather(_copy(reader, to), _copy(there, writer))

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        pass  # it was cut
    writer.close()


async def test_the_official_client_gets_all_of_a_call_whose_connection_broke(front: Front) -> None:
    tool = Item("look", b'{"name":"look","inputSchema":{"type":"object"}}')
    front.catalog.learn("one", Catalogue({Kind.TOOLS: (tool,)}))
    front.catalog.learn("two", Catalogue({}))
    talk = Talk(front)
    heard: list[float] = []
    first = asyncio.Event()

    async def progressed(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)
        first.set()

    line = Line(int(front.url.rpartition(":")[2]))
    async with await asyncio.start_server(line.connected, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
        async with Client(url, mode="legacy", cache=None) as client:
            calling = asyncio.create_task(client.call_tool("one__look", progress_callback=progressed))
            await talk.begun()
            token = json.loads(bytes(talk.call.meta["progressToken"]))
            talk.call.channel.send(progress_of(token, 1))
            await asyncio.wait_for(first.wait(), 10)
            line.cut()
            talk.call.channel.send(progress_of(token, 2))
            await away(front)
            talk.call.channel.send(progress_of(token, 3))
            talk.end(b'{"content":[{"type":"text","text":"done"}]}')
            result = await asyncio.wait_for(calling, 10)
        line.cut()
    assert heard == [1, 2, 3]
    assert result.content[0].model_dump()["text"] == "done"


def progress_of(token: Any, progress: int) -> bytes:
    return notification("notifications/progress", json.dumps({"progressToken": token, "progress": progress}).encode())
