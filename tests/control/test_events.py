import asyncio

import pytest

from toolgate.control.events import Changes
from toolgate.errors import Overloaded
from toolgate.model.principal import LOCAL, Principal
from toolgate.protocol.sse import Decoder, Event

ALICE = Principal("key:a", "alice", ("platform",))
BOB = Principal("key:b", "bob")


def read(*chunks: bytes) -> list[Event]:
    decoder = Decoder(10_000)
    return [event for chunk in chunks for event in decoder.feed(chunk)]


async def test_each_hears_what_belongs_to_whom_it_acts_for() -> None:
    changes = Changes()
    streams = {who.name: changes.subscribe(who) for who in (LOCAL, ALICE, BOB)}
    for stream in streams.values():
        await anext(stream)
    for owner in ("user:alice", "team:platform", "user:bob", ""):
        changes.tell("connection", owner, {"owner": owner})
    changes.close()
    heard = {name: [event.data async for chunk in stream for event in read(chunk)] for name, stream in streams.items()}
    assert heard["bob"] == [b'{"owner":"user:bob"}']
    assert heard["alice"] == [b'{"owner":"user:alice"}', b'{"owner":"team:platform"}']
    assert len(heard[LOCAL.name]) == 4


async def test_who_does_not_read_is_told_that_it_missed_something_and_takes_no_more_room() -> None:
    changes = Changes()
    stream = changes.subscribe(BOB)
    await anext(stream)
    for number in range(1000):
        changes.tell("server", "user:bob", {"n": number})
    changes.close()
    heard = [event async for chunk in stream for event in read(chunk)]
    assert len(heard) <= 257
    assert [event.event for event in heard].count("missed") == 1
    assert heard[-1].data == b'{"n":999}'


async def test_a_stream_that_is_left_is_forgotten_and_too_many_are_refused() -> None:
    changes = Changes()
    streams = [changes.subscribe(BOB) for _ in range(256)]
    for stream in streams:
        await anext(stream)
    with pytest.raises(Overloaded):
        changes.subscribe(BOB)
    for stream in streams:
        await stream.aclose()
    assert len(changes) == 0


async def test_a_stream_that_begins_after_the_end_ends() -> None:
    changes = Changes()
    changes.close()
    async with asyncio.timeout(5):
        assert [event.event async for chunk in changes.subscribe(BOB) for event in read(chunk)] == ["ready"]
