"""Places for child processes."""

import asyncio

import pytest

from toolgate.errors import NoRoom
from toolgate.upstream.room import Place, Room


def unspared(owner: str | None) -> bool:
    return False


async def waiting(room: Room, owner: str = "") -> "asyncio.Task[Place]":
    task = asyncio.create_task(room.take(owner, "x"))
    await asyncio.sleep(0)
    return task


async def test_those_who_wait_get_their_place_in_turn() -> None:
    room = Room(unspared, most=1)
    place = await room.take("", "x")
    first, second = await waiting(room), await waiting(room)
    place.release()
    place.release()
    (await first).release()
    await second
    assert len(room) == 1


async def test_an_owner_who_has_its_share_holds_up_nobody_else() -> None:
    room = Room(unspared, most=3, each=1)
    await room.take("a", "x")
    greedy = await waiting(room, "a")
    await room.take("b", "x")
    assert not greedy.done()
    greedy.cancel()


async def test_one_who_gives_up_leaves_the_place_to_the_next() -> None:
    room = Room(unspared, most=1)
    place = await room.take("", "x")
    gone, next_one = await waiting(room), await waiting(room)
    place.release()
    gone.cancel()  # its place had been given to it already
    await next_one
    assert len(room) == 1


async def test_whose_idle_server_makes_room_is_told() -> None:
    spared: list[str | None] = []
    taken: list[Place] = []

    def spare(owner: str | None) -> bool:
        spared.append(owner)
        taken.pop().release()
        return True

    room = Room(spare, most=2, each=1)
    taken.append(await room.take("a", "x"))
    taken.append(await room.take("a", "y"))
    assert spared == ["a"]
    await room.take("b", "z")
    await room.take("", "config")
    assert spared == ["a", None]


async def test_the_queue_has_an_end_and_so_has_patience() -> None:
    room = Room(unspared, most=1, patience=0.5)
    await room.take("", "x")
    tasks = [await waiting(room) for _ in range(100)]
    with pytest.raises(NoRoom, match="1 servers run already, none of them idle, and 99 more wait"):
        await room.take("", "one too many")
    refused = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(error) for error in refused} == {NoRoom}


async def test_more_room_by_configuration_is_given_at_once() -> None:
    room = Room(unspared, most=1)
    await room.take("", "x")
    task = await waiting(room)
    room.configure(2, 20)
    await task
