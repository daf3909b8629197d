"""Deadlines that end, that are held, and that have ended when somebody wants to hold them."""

import asyncio

import pytest

from toolgate.upstream.deadline import Alarms, Deadline


async def test_what_takes_too_long_is_ended() -> None:
    with pytest.raises(TimeoutError), Deadline(0.01, Alarms()):
        await asyncio.Event().wait()


async def test_what_ends_in_time_is_not() -> None:
    alarms = Alarms()
    for _ in range(3):
        with Deadline(0.02, alarms):
            await asyncio.sleep(0.005)
    await asyncio.sleep(0.03)


async def test_of_equal_length_each_ends_in_its_turn() -> None:
    alarms, ended = Alarms(), []

    async def wait(number: int) -> None:
        try:
            with Deadline(0.02, alarms):
                await asyncio.Event().wait()
        except TimeoutError:
            ended.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(wait(number))
            await asyncio.sleep(0.002)
    assert ended == list(range(5))


async def test_time_that_a_person_takes_does_not_count() -> None:
    deadline = Deadline(0.05, Alarms())
    with deadline:
        with deadline.held(), deadline.held():
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.01)
    with pytest.raises(TimeoutError), deadline:
        await asyncio.Event().wait()


async def test_one_that_has_ended_can_still_be_held() -> None:
    """A question may reach the gateway in the very moment in which the time is up."""
    deadline = Deadline(0.01, Alarms())

    async def be_late() -> None:
        with deadline:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                with deadline.held():
                    pass
                raise

    with pytest.raises(TimeoutError):
        await be_late()


async def test_all_of_a_link_end_together() -> None:
    alarms = Alarms()

    async def wait(seconds: float) -> None:
        with Deadline(seconds, alarms):
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(wait(seconds)) for seconds in (10, 10, 20)]
    await asyncio.sleep(0)
    alarms.end()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [TimeoutError] * 3


async def test_a_cancellation_from_outside_stays_one() -> None:
    async def wait() -> None:
        with Deadline(10, Alarms()):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
