"""The stream of a GET: what waits for it, and what a client that comes back to it has missed."""

from tests.inbound.conftest import Front, items
from tests.inbound.resuming import only, resumed, until
from toolgate.model.tool import Catalogue, Kind


async def test_announcements_that_were_missed_are_replayed(front: Front) -> None:
    session = await front.initialize()
    async with resumed(front, session) as first:
        only(front).notify(b'{"n":1}')
        assert await first.messages(1) == [{"n": 1}]
    only(front).notify(b'{"n":2}')
    async with resumed(front, session, first.last) as second:
        only(front).notify(b'{"n":3}')
        assert await second.messages(2) == [{"n": 2}, {"n": 3}]
    async with resumed(front, session, first.last) as third:
        assert await third.messages(2) == [{"n": 2}, {"n": 3}]


async def test_what_was_delivered_on_one_stream_is_not_on_a_fresh_one(front: Front) -> None:
    session = await front.initialize()
    async with resumed(front, session) as first:
        only(front).notify(b'{"n":1}')
        await first.messages(1)
    await until(lambda: only(front).stream is None)
    only(front).notify(b'{"n":2}')
    async with resumed(front, session) as second:
        assert await second.messages(1) == [{"n": 2}]
        assert first.last.rpartition("-")[0] != second.last.rpartition("-")[0]
        async with resumed(front, session, first.last) as third:
            assert await second.rest() == []
            only(front).notify(b'{"n":3}')
            assert await third.messages(1) == [{"n": 3}], "a stream that another replaced is forgotten"


async def test_announcements_wait_for_a_stream_and_the_oldest_make_room(front: Front) -> None:
    session = await front.initialize()
    for number in range(300):
        only(front).notify(b'{"n":%d}' % number)
    async with resumed(front, session) as stream:
        assert [message["n"] for message in await stream.messages(256)] == list(range(44, 300))


async def test_a_burst_on_an_open_stream_loses_nothing(front: Front) -> None:
    session = await front.initialize()
    async with resumed(front, session) as stream:
        for number in range(900):
            only(front).notify(b'{"n":%d}' % number)
        assert [message["n"] for message in await stream.messages(900)] == list(range(900))


async def test_what_was_sent_is_forgotten_after_a_while_and_what_was_not_is_kept(front: Front) -> None:
    front.sessions.kept.patience = 0.01
    session = await front.initialize()
    async with resumed(front, session) as first:
        only(front).notify(b'{"n":1}')
        await first.messages(1)
    await until(lambda: front.sessions.kept.size == 0)
    only(front).notify(b'{"n":2}')
    async with resumed(front, session) as second:
        assert await second.messages(1) == [{"n": 2}]


async def test_a_change_of_lists_is_announced_to_a_client_that_resumes(front: Front) -> None:
    session = await front.initialize()
    async with resumed(front, session) as first:
        only(front).notify(b'{"n":1}')
        await first.messages(1)
    await until(lambda: only(front).stream is None)
    front.catalog.learn("two", Catalogue({Kind.TOOLS: items(Kind.TOOLS, "new")}))
    async with resumed(front, session, first.last) as second:
        assert (await second.messages(1))[0]["method"] == "notifications/tools/list_changed"
