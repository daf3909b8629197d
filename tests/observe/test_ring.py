"""Nothing is dropped, and who makes more than fits has to wait."""

import asyncio

import pytest

from tests.recording.calls import a_call
from toolgate.errors import AuditFull
from toolgate.observe.ring import Ring


async def test_records_are_taken_in_their_order_a_batch_at_a_time() -> None:
    ring = Ring(8, 2)
    records = [a_call(str(number)) for number in range(5)]
    for record in records:
        ring.put(record)
    taken = []
    while batch := ring.take():
        assert len(batch) <= 2
        taken += batch
        ring.done()
    assert taken == records
    assert len(ring) == 0


async def test_what_was_taken_and_not_written_is_taken_again() -> None:
    ring = Ring(8, 2)
    ring.put(a_call("first"))
    first = ring.take()
    ring.put(a_call("second"))
    assert ring.take() == first
    assert len(ring) == 2


async def test_it_tells_when_something_and_when_a_batch_waits() -> None:
    ring = Ring(8, 2)
    told = [(ring.some.is_set(), ring.plenty.is_set())]
    for _ in range(2):
        ring.put(a_call())
        told.append((ring.some.is_set(), ring.plenty.is_set()))
    ring.take()
    ring.done()
    told.append((ring.some.is_set(), ring.plenty.is_set()))
    assert told == [(False, False), (True, False), (True, True), (False, False)]


@pytest.mark.parametrize("taken", [0, 2])
async def test_it_is_full_at_its_capacity_whatever_is_being_written(taken: int) -> None:
    ring = Ring(8, 2)
    for number in range(1, 9):
        assert not ring.full
        ring.put(a_call())
        if number == taken:
            ring.take()
    assert ring.full
    assert len(ring) == 8


async def test_calls_that_were_let_in_before_are_still_taken() -> None:
    ring = Ring(4, 2)
    for _ in range(6):
        ring.put(a_call())
    assert len(ring) == 6


async def test_room_is_waited_for_and_comes_when_something_is_written() -> None:
    ring = Ring(4, 2)
    await ring.room(0)
    for _ in range(4):
        ring.put(a_call())
    waiting = asyncio.create_task(ring.room(10))
    await asyncio.sleep(0)
    assert not waiting.done()
    ring.take()
    await asyncio.sleep(0)
    assert not waiting.done()
    ring.done()
    await asyncio.wait_for(waiting, 1)


async def test_who_waits_too_long_is_told_what_to_do() -> None:
    ring = Ring(4, 2)
    for _ in range(4):
        ring.put(a_call())
    with pytest.raises(AuditFull, match="4 calls wait") as raised:
        await ring.room(0.01)
    assert "database" in raised.value.hint
    assert raised.value.http == 503


async def test_a_batch_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(ValueError, match="room"):
        Ring(3, 2)
