import asyncio

from toolgate.runtime.e2b.lease import Lease, Term


async def test_one_that_cannot_be_extended_is_told_once_and_tried_again() -> None:
    told: list[str] = []
    done = asyncio.Event()
    asked: list[int] = []

    async def extend(seconds: int) -> None:
        asked.append(seconds)
        if len(asked) == 6:
            done.set()
        raise ConnectionError

    lease = Lease(Term(length=30, look=0.001), extend, told.append)
    lease.used()
    keeping = asyncio.create_task(lease.keep())
    await asyncio.wait_for(done.wait(), 10)
    keeping.cancel()
    assert set(asked) == {30}
    assert told == ["the time of its sandbox could not be extended (ConnectionError)"]
