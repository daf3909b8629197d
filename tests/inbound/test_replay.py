"""What is kept for clients that may come back is bounded, and says so where it was too much."""

import asyncio

from tests.inbound.conftest import Front
from tests.inbound.resuming import Talk, away, begin, leave, only, posted, progress, resumed, talking, until


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
        asking = asyncio.create_task(begin(last))
        async with posted(front, session, 16) as reading:
            await asking
            assert (await reading.next()).id == "", "it works, but not to come back to"
        await asyncio.wait_for(last.ended.wait(), 10)
        assert len(only(front).calls) == 16
        talks[5].end()
        await asyncio.wait_for(talks[5].ended.wait(), 10)
        await leave(front, session, 17)
        assert len(only(front).calls) == 16, "one that had ended made room"


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
