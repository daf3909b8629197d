import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from toolgate.model.connection import Connection
from toolgate.store.connections import ConnectionRows, Used
from toolgate.store.database import Database
from toolgate.store.run_cards import RunCards

ONE = Connection(
    "1" * 32, "user:alice", "mail", "gmail", "Mail", {"url": "${vault:x@1}"}, 1.0, "key alice", 1.0, "key alice",
    inputs={"token": "${vault:x@1}", "folders": ["a", "b"]},
)  # fmt: skip


@pytest.fixture
async def rows(tmp_path: Path) -> AsyncIterator[ConnectionRows]:
    database = await Database.open("sqlite", tmp_path)
    yield ConnectionRows(database)
    await database.close()


async def add(rows: ConnectionRows, *made: Connection) -> None:
    async with rows.database.writing() as transaction:
        for one in made:
            await rows.add(transaction, one)


async def test_what_is_added_is_found_as_it_was_in_the_order_in_which_it_was_made(rows: ConnectionRows) -> None:
    later = replace(ONE, id="0" * 32, owner="team:x", created_at=2.0)
    await add(rows, later, ONE)
    assert await rows.all() == [ONE, later]
    assert await rows.all(["team:x", "nobody"]) == [later]
    assert await rows.all([]) == []
    assert await rows.get(ONE.id) == ONE
    assert await rows.get("none") is None


async def test_an_owner_has_a_name_once(rows: ConnectionRows) -> None:
    await add(rows, ONE, replace(ONE, id="2" * 32, owner="user:bob"))
    with pytest.raises(IntegrityError):
        await add(rows, replace(ONE, id="3" * 32))
    assert len(await rows.all()) == 2


async def test_a_change_leaves_how_it_was_used_as_it_is(rows: ConnectionRows) -> None:
    await add(rows, ONE)
    await rows.used({(ONE.id, "send"): Used(3, 10.0)})
    await rows.seen({ONE.id: ("running", ("send",))})
    async with rows.database.writing() as transaction:
        await rows.change(transaction, replace(ONE, title="New", updated_by="local user"))
    found = await rows.get(ONE.id)
    assert found == replace(
        ONE, title="New", updated_by="local user", usage_count=3, last_used=10.0, status="running", tools=("send",)
    )


async def test_calls_of_several_processes_add_up_and_the_last_use_is_the_latest(rows: ConnectionRows) -> None:
    await add(rows, ONE)
    calls = ({(ONE.id, "send"): Used(2, float(last)), ("gone", "send"): Used(1, 99.0)} for last in (5, 9, 7))
    await asyncio.gather(*map(rows.used, calls))
    found = await rows.get(ONE.id)
    assert found is not None
    assert (found.usage_count, found.last_used) == (6, 9.0)
    assert await rows.tool_usage(ONE.id) == {"send": (6, 9.0)}
    assert await rows.tool_usage("gone") == {}


async def test_what_is_removed_takes_its_usage_with_it(rows: ConnectionRows) -> None:
    await add(rows, ONE)
    await rows.used({(ONE.id, "send"): Used(2, 5.0)})
    async with rows.database.writing() as transaction:
        await rows.remove(transaction, ONE.id)
    assert await rows.all() == []
    assert await rows.tool_usage(ONE.id) == {}


async def test_a_card_takes_the_place_of_the_owners_earlier_one_of_that_name(rows: ConnectionRows) -> None:
    cards = RunCards(rows.database)
    await cards.put("user:alice", "ours", {"v": 1}, "key alice")
    await cards.put("team:x", "ours", {"v": 2}, "key alice")
    await cards.put("user:alice", "ours", {"v": 3}, "key alice")
    assert await cards.all(None) == [{"v": 3}, {"v": 2}]
    assert await cards.all(["team:x"]) == [{"v": 2}]
    assert await cards.remove("team:x", "ours")
    assert not await cards.remove("team:x", "ours")
