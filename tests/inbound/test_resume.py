"""Clients of the legacy era that lose the stream of a call and come back for the rest."""

import asyncio
import json
from typing import Any

import pytest
from mcp import Client

from tests.inbound.conftest import Front
from tests.inbound.resuming import CALL, Reading, Talk, away, begin, only, posted, progress, resumed, talking, until
from tests.inbound.test_legacy import request
from toolgate.model.tool import Catalogue, Item, Kind
from toolgate.protocol.envelope import notification


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
        asking = asyncio.create_task(begin(two))
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


@pytest.mark.parametrize(("version", "lives"), [("2025-11-25", True), ("2025-06-18", False)])
async def test_a_silent_stream_can_be_found_again_only_by_the_event_it_began_with(
    front: Front, monkeypatch: pytest.MonkeyPatch, version: str, lives: bool
) -> None:
    monkeypatch.setattr("toolgate.http.server.SILENCE", 0.01)
    session = await front.initialize(version)
    talk = Talk(front)
    async with posted(front, session) as reading:
        await talk.begun()
        await reading.answer.content.readany()
        kept = dict(only(front).calls)
    await until(lambda: all(call.reader is None for call in kept.values()))
    if lives:
        assert only(front).calls == kept
        assert not talk.ended.is_set()
    else:
        await asyncio.wait_for(talk.ended.wait(), 10)


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


async def test_the_modern_era_has_no_event_ids(front: Front) -> None:
    talk = Talk(front)
    asking = asyncio.create_task(begin(talk))
    async with front.modern("tools/call", CALL) as answer:
        await asking
        reading = Reading(answer)
        event = await reading.next()
        assert event.id == ""
        assert event.data
    await asyncio.wait_for(talk.ended.wait(), 10)


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
