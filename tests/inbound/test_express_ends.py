"""How a call ends that went to its server without a task: in time or not, waited for or not."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.inbound.express import Answer, House, begun, handed_over, meta, only_record, opened
from tests.inbound.far import OK, PATIENCE, echo, hang
from toolgate.http import listener, server
from toolgate.observe.logs import request_id


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing fails without an answer that says so."""
    yield
    assert not [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(tmp_path) as made:
        yield made


# Time, and nobody who waits


async def test_a_call_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    answers: list[Answer] = []
    for road in ("lane", "road"):
        async with opened(tmp_path / road, {"timeout": 0.1}) as house, house.known() as client:
            link = house.upstream().link
            if road == "road":
                house.take_the_long_road()
            house.far.script = hang
            house.far.forget()
            began = time.monotonic()
            answers.append(await client.call(b"1"))
            assert 0.1 <= time.monotonic() - began < 2
            await (await house.far.call()).gone()
            assert house.is_empty()
            assert house.took == ([True] if road == "lane" else [])
            assert house.upstream().link is link
            assert (await only_record(house))["outcome"] == "deadline-exceeded"
            assert house.upstream().status.calls == 2
    assert answers[0].same == answers[1].same
    assert answers[0].message["error"]["data"]["timeout"] == 0.1


async def test_a_client_that_leaves_ends_its_call(house: House) -> None:
    async with house.known() as client:
        heard = await begun(house, client)
        await client.leave()
        await heard.gone()
    assert house.is_empty()
    record = await only_record(house)
    assert (record["outcome"], record["name"], record["received"]) == ("cancelled", "echo", 0)
    assert house.upstream().status.calls == 2


@pytest.mark.parametrize("moment", ["at once", "later"])
async def test_a_client_that_leaves_after_a_task_took_over_ends_its_call(house: House, moment: str) -> None:
    async with house.known() as client:
        heard = await begun(house, client)
        [connection] = house.listener.connections
        assert connection.task is not None
        if moment == "at once":  # in the very round of the loop in which it was handed over
            connection.connection_lost(None)
        await client.leave()
        await heard.gone()
    assert house.is_empty()
    assert (await only_record(house))["outcome"] == "cancelled"
    assert house.upstream().status.calls == 2


async def test_a_client_that_leaves_in_the_middle_of_a_stream_ends_its_call(house: House) -> None:
    async with house.known() as client:
        heard = await begun(house, client, meta=meta(progressToken=1))
        heard.begin_stream()
        progress = b'{"progressToken":%b,"progress":1}' % heard.key
        heard.event(b'{"jsonrpc":"2.0","method":"notifications/progress","params":%b}' % progress)
        await client.head()
        await client.leave()
        await heard.gone()
    assert house.is_empty()
    assert (await only_record(house))["outcome"] == "cancelled"


@pytest.mark.parametrize("over", [False, True])
async def test_a_link_that_is_closed_ends_its_calls(tmp_path: Path, over: bool) -> None:
    answers: list[Answer] = []
    for road in ("lane", "road"):
        async with opened(tmp_path / road) as house, house.known() as client:
            link = house.upstream().link
            if road == "road":
                house.take_the_long_road()
                house.took.append(False)
            heard = await begun(house, client, taken=road == "lane")
            if over:
                await handed_over(house)
            await link.close(0)
            answers.append(await client.receive())
            await heard.gone()
            assert (await only_record(house))["outcome"] == "server-unavailable"
            assert house.is_empty(link=link)
    assert answers[0].same == answers[1].same
    assert answers[0].message["error"]["message"] == "server 'one' is being stopped"


# Silence


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is broken at the next look, which comes soon."""
    monkeypatch.setattr(server, "SILENCE", 0.0)
    monkeypatch.setattr(listener, "_LOOK", 0.01)


@pytest.mark.usefixtures("silence")
async def test_silence_is_broken_before_the_result(tmp_path: Path) -> None:
    async with opened(tmp_path) as house, house.known() as client:
        heard = await begun(house, client)
        head = await client.head()
        heard.give()
        answer = await client.receive(head)
        assert ("content-type", "text/event-stream") in answer.headers
        assert answer.body.startswith(b": \r\n\r\n")
        assert answer.events == [b'{"jsonrpc":"2.0","id":1,"result":%b}' % OK]
        record = await only_record(house)
        assert (record["outcome"], record["request"]) == ("ok", answer.own["x-request-id"])
        assert house.upstream().status.calls == 2


async def test_a_call_is_handed_over_once_however_often_it_is_asked_for(house: House) -> None:
    async with house.known() as client:
        heard = await begun(house, client)
        [connection] = house.listener.connections
        for _ in range(2):
            connection.look(time.monotonic() + 3_600)
            assert connection.task is not None
        heard.give()
        assert (await client.receive()).events == [b'{"jsonrpc":"2.0","id":1,"result":%b}' % OK]
    assert house.is_empty()


async def test_a_call_keeps_its_time_when_it_is_handed_over(tmp_path: Path) -> None:
    async with opened(tmp_path, {"timeout": 0.2}) as house, house.known() as client:
        began = time.monotonic()
        await begun(house, client)
        await handed_over(house)
        answer = await client.receive()
        assert 0.2 <= time.monotonic() - began < 2
        assert answer.message["error"]["data"]["code"] == "deadline-exceeded"
        assert house.is_empty()


async def test_what_is_logged_of_a_call_names_its_request(tmp_path: Path) -> None:
    seen: list[tuple[str, str]] = []

    class Seeing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append((record.getMessage(), request_id.get()))

    handler, logger = Seeing(), logging.getLogger("toolgate.calls")
    logger.addHandler(handler)
    try:
        async with opened(tmp_path, {"timeout": 0.1}) as house, house.known() as client:
            await begun(house, client)
            await handed_over(house)
            answer = await client.receive()
    finally:
        logger.removeHandler(handler)
    assert seen == [("tools/call one echo: deadline-exceeded", answer.own["x-request-id"])]


# The end of the gateway, and of what it serves


async def test_a_gateway_that_stops_waits_for_calls_under_way(house: House) -> None:
    async with house.known() as client:
        heard = await begun(house, client)
        house.gateway.drain()
        closing = asyncio.create_task(house.close(PATIENCE))
        await asyncio.sleep(0)
        assert all(connection._task for connection in house.listener.connections)
        heard.give()
        answer = await client.receive()
        assert answer.message["result"]["resultType"] == "complete"
        assert ("connection", "close") in answer.headers
        assert await client.ended() == b""
        await asyncio.wait_for(closing, PATIENCE)
    assert house.is_empty()


@pytest.mark.parametrize("drain", [0.0, 0.05])
async def test_a_gateway_that_waits_no_longer_ends_calls(house: House, drain: float) -> None:
    async with house.known() as client:
        heard = await begun(house, client)
        records: list[Any] = []
        house.gateway._express.record._recording._sinks += (records.append,)
        await asyncio.wait_for(house.close(drain), PATIENCE)
        await client.ended()
        await heard.gone()
    assert [record.outcome for record in records] == ["cancelled"]
    assert house.is_empty()


@pytest.mark.parametrize("change", [{"servers": {}}, {"definition": {"headers": {"X": "1"}}}])
async def test_a_call_of_a_server_that_is_removed_or_changed_ends_as_it_would(
    house: House, change: dict[str, Any]
) -> None:
    async with house.known() as client:
        link = house.upstream().link
        heard = await begun(house, client)
        await house.reload(**change)
        heard.give()
        assert (await client.receive()).message == {"jsonrpc": "2.0", "id": 1, "result": {
            "resultType": "complete", "content": [],
        }}  # fmt: skip
        assert not link._calls
        house.far.script = echo
        await house.gateway.settled(PATIENCE)
        answer = await client.call(b"2")
        assert answer.status == (200 if "definition" in change else 400)
        assert not house.limit.under_way
