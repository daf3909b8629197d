import asyncio
from collections.abc import Awaitable, Callable

import pytest

from toolgate.control.coalesced import Coalesced
from toolgate.control.idempotency import Idempotency
from toolgate.errors import Conflict, Forbidden, InvalidRequest


class Work:
    def __init__(self) -> None:
        self.times = 0
        self.fails = False

    async def __call__(self) -> int:
        self.times += 1
        if self.fails:
            raise Forbidden("no")
        return self.times


async def test_a_request_that_is_sent_again_is_answered_as_it_was() -> None:
    known, work = Idempotency(), Work()
    answers = [await known.once("alice", "install", "k", b"body", work) for _ in range(3)]
    assert answers == [1, 1, 1]


@pytest.mark.parametrize(("who", "what", "key"), [("bob", "a", "k"), ("alice", "b", "k"), ("alice", "a", "l")])
async def test_another_caller_request_or_key_is_another_time(who: str, what: str, key: str) -> None:
    known, work = Idempotency(), Work()
    await known.once("alice", "a", "k", b"", work)
    assert await known.once(who, what, key, b"", work) == 2


async def test_without_a_key_each_request_counts() -> None:
    known, work = Idempotency(), Work()
    assert [await known.once("alice", "a", None, b"", work) for _ in range(2)] == [1, 2]


async def test_the_key_of_another_request_is_refused() -> None:
    known, work = Idempotency(), Work()
    await known.once("alice", "a", "k", b"one", work)
    with pytest.raises(Conflict):
        await known.once("alice", "a", "k", b"two", work)


async def test_what_failed_may_be_tried_again() -> None:
    known, work = Idempotency(), Work()
    work.fails = True
    with pytest.raises(Forbidden):
        await known.once("alice", "a", "k", b"", work)
    work.fails = False
    assert await known.once("alice", "a", "k", b"", work) == 2


async def test_those_that_come_together_wait_for_the_first_even_if_it_has_gone() -> None:
    known, go, times = Idempotency(), asyncio.Event(), 0

    async def slow() -> str:
        nonlocal times
        times += 1
        await go.wait()
        return "done"

    first = asyncio.create_task(known.once("alice", "a", "k", b"", slow))
    second = asyncio.create_task(known.once("alice", "a", "k", b"", slow))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    go.set()
    assert (await second, times) == ("done", 1)


async def test_keys_are_forgotten_after_a_day_and_never_more_than_a_thousand_kept() -> None:
    now = 0.0
    known, work = Idempotency(lambda: now), Work()
    for number in range(1500):
        await known.once("alice", "a", f"key {number}", b"", work)
    assert len(known._known) <= 1000
    assert await known.once("alice", "a", "key 1499", b"", work) == 1500
    now = 86_401.0
    assert await known.once("alice", "a", "key 1499", b"", work) == 1501


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
async def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidRequest):
        await Idempotency().once("alice", "a", key, b"", Work())


async def test_work_that_is_asked_for_while_it_goes_on_is_done_once_more_for_all() -> None:
    began, go, times = asyncio.Event(), asyncio.Event(), 0

    async def work() -> None:
        nonlocal times
        times += 1
        began.set()
        await go.wait()

    again: Callable[[], Awaitable[None]] = Coalesced(work)
    first = asyncio.ensure_future(again())
    await began.wait()
    others = [asyncio.ensure_future(again()) for _ in range(50)]
    await asyncio.sleep(0)
    go.set()
    await asyncio.gather(first, *others)
    assert times == 2


async def test_all_who_share_work_that_fails_hear_of_it_and_the_next_is_done() -> None:
    fails = True

    async def work() -> None:
        if fails:
            raise Forbidden("no")

    again = Coalesced(work)
    found = await asyncio.gather(again(), again(), return_exceptions=True)
    assert [type(one) for one in found] == [Forbidden, Forbidden]
    fails = False
    await again()
