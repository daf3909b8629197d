"""Calls without a task that have to wait for a connection to their server."""

import asyncio
import errno
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.inbound.express import Client, House, opened
from tests.inbound.far import PATIENCE, Heard, echo, hang
from toolgate.http import pool

MOST = 2


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_MOST", MOST)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(tmp_path) as made:
        yield made


def waiting(house: House) -> int:
    return int(dict(house.gateway._pool.connections())[("waiting",)])


async def full(house: House, *clients: Client) -> list[Heard]:
    """As many calls under way as there may be connections."""
    house.far.forget()
    house.far.script = hang
    heard = []
    for client in clients:
        client.send(client.request(b"1"))
        heard.append(await house.far.call())
        house.far.forget()
    return heard


async def until_waiting(house: House, count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        # Nothing tells when a request has come in.
        while waiting(house) != count:  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_many_more_than_there_are_connections_are_answered_without_a_task(house: House) -> None:
    async def talk(number: int) -> None:
        async with house.client() as client:
            for round_ in range(4):
                arguments = {"n": number, "round": round_}
                answer = await client.call(b'"%d"' % number, json.dumps(arguments).encode())
                assert answer.message["id"] == str(number)
                assert answer.message["result"]["echo"] == arguments

    await asyncio.gather(*(talk(number) for number in range(100)))
    assert sum(house.took) > 200
    assert house.is_empty()
    assert waiting(house) == 0
    assert len(await house.audit()) == 400


async def test_who_came_first_is_sent_first(house: House) -> None:
    async with house.known() as one, house.known() as two, house.known() as three, house.known() as four:
        first, second = await full(house, one, two)
        three.send(three.request(b"3"))
        await until_waiting(house, 1)
        four.send(four.request(b"4"))
        await until_waiting(house, 2)
        first.give()
        third = await house.far.call()
        assert waiting(house) == 1
        house.far.script = echo
        third.give()
        assert (await three.receive()).message["id"] == 3
        second.give()
        assert (await four.receive()).message["id"] == 4
    assert house.is_empty()
    assert house.took == [True, False, True, True]  # the second had to open a connection


async def test_the_time_in_the_queue_counts(tmp_path: Path) -> None:
    async with (
        opened(tmp_path, {"timeout": 0.3}) as house,
        house.known() as one,
        house.known() as two,
        house.known() as three,
    ):
        await full(house, one, two)
        answer = await three.call(b"3")
        assert answer.message["error"]["data"]["code"] == "deadline-exceeded"
        for client in (one, two):
            assert (await client.receive()).message["error"]["data"]["code"] == "deadline-exceeded"
        house.far.script = echo
        assert "result" in (await three.call(b"4")).message
        assert waiting(house) == 0
        assert house.is_empty()


async def test_who_leaves_the_queue_is_not_sent(house: House) -> None:
    async with house.known() as one, house.known() as two, house.known() as four:
        async with house.known() as three:
            first, second = await full(house, one, two)
            three.send(three.request(b"3"))
            await until_waiting(house, 1)
        four.send(four.request(b"4", b'{"n":4}'))
        await until_waiting(house, 2)
        house.far.script = echo
        first.give()
        assert (await four.receive()).message["result"]["echo"] == {"n": 4}
        second.give()
        assert [(await client.receive()).message["id"] for client in (one, two)] == [1, 1]
        assert len(house.far.heard) == 1
    assert house.is_empty()
    assert [record["outcome"] for record in await house.audit()].count("cancelled") == 1


async def test_a_connection_that_is_lost_makes_room(house: House) -> None:
    async with house.known() as one, house.known() as two, house.known() as three:
        first, second = await full(house, one, two)
        three.send(three.request(b"3", b'{"n":3}'))
        await until_waiting(house, 1)
        house.far.script = echo
        first.close()
        assert (await one.receive()).message["error"]["data"]["code"] == "server-unavailable"
        assert (await three.receive()).message["result"]["echo"] == {"n": 3}
        second.give()
        assert "result" in (await two.receive()).message
    assert house.is_empty()


async def test_who_waits_is_told_that_there_are_no_connections(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(line: pool.Line) -> None:
        raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")

    async with house.known() as one, house.known() as two, house.known() as three, house.known() as four:
        first, second = await full(house, one, two)
        link = house.upstream().link
        for client in (three, four):
            client.send(client.request(b"3"))
        await until_waiting(house, 2)
        monkeypatch.setattr(pool.Line, "_reach", refused)
        first.close()
        second.close()
        for client in (one, two, three, four):
            assert (await client.receive()).message["error"]["data"]["code"] == "server-unavailable"
        assert waiting(house) == 0
        assert house.is_empty(link=link)
        records = await house.audit()
    assert [record["outcome"] for record in records[-4:]] == ["server-unavailable"] * 4


async def test_a_gateway_that_stops_ends_those_who_wait(house: House) -> None:
    async with house.known() as one, house.known() as two, house.known() as three:
        await full(house, one, two)
        three.send(three.request(b"3"))
        await until_waiting(house, 1)
        house.gateway.drain()
        await house.close(0)
        assert waiting(house) <= 1
        assert house.is_empty()
