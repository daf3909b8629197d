from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from toolgate.store import database as database_module
from toolgate.store import migrate
from toolgate.store.database import Database
from toolgate.store.keys import ApiKey, Keys


@pytest.fixture
async def keys(tmp_path: Path) -> AsyncIterator[Keys]:
    database = await Database.open("sqlite", tmp_path)
    yield Keys(database)
    await database.close()


def key(name: str, public: str, created: float = 1.0) -> ApiKey:
    return ApiKey(id=public, name=name, digest=b"d" * 32, created=created)


async def test_keys_come_back_as_they_were_added_in_order(keys: Keys) -> None:
    second, first = key("second", "b" * 8, 2.0), key("first", "a" * 8, 1.0)
    await keys.add(second)
    await keys.add(first)
    assert await keys.all() == [first, second]


async def test_a_name_is_free_again_once_its_key_is_revoked(keys: Keys) -> None:
    assert await keys.add(key("laptop", "a" * 8))
    assert not await keys.add(key("laptop", "b" * 8))
    await keys.revoke("laptop", 5.0)
    assert await keys.add(key("laptop", "b" * 8))
    assert [known.revoked for known in await keys.all()] == [5.0, None]


async def test_revoking_finds_a_key_by_id_or_name_and_only_once(keys: Keys) -> None:
    await keys.add(key("one", "a" * 8))
    await keys.add(key("two", "b" * 8))
    assert [revoked.id for revoked in await keys.revoke("a" * 8, 5.0)] == ["a" * 8]
    assert [revoked.id for revoked in await keys.revoke("two", 6.0)] == ["b" * 8]
    assert await keys.revoke("two", 7.0) == []


async def test_every_change_raises_the_revision_and_use_does_not(keys: Keys) -> None:
    seen = [await keys.revision()]
    await keys.add(key("one", "a" * 8))
    seen.append(await keys.revision())
    await keys.add(key("two", "b" * 8))
    seen.append(await keys.revision())
    await keys.revoke("one", 5.0)
    seen.append(await keys.revision())
    assert seen == sorted(set(seen))
    await keys.used({"b" * 8: 9.0})
    assert await keys.revision() == seen[-1]
    assert (await keys.all())[1].last_used == 9.0


def test_a_key_does_not_print_its_digest() -> None:
    assert "ddd" not in repr(key("one", "a" * 8))


async def test_the_teams_of_a_key_come_back(keys: Keys) -> None:
    await keys.add(ApiKey(id="a" * 8, name="one", digest=b"d" * 32, created=1.0, teams=("platform", "support")))
    await keys.add(key("two", "b" * 8, 2.0))
    assert [known.teams for known in await keys.all()] == [("platform", "support"), ()]


async def test_a_key_that_was_made_before_there_were_teams_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as then:
        then.setattr(migrate, "HEAD", "0001")
        then.setattr(database_module, "create", lambda connection: False)
        before = await Database.open("sqlite", tmp_path)
        async with before.writing() as connection:
            await connection.execute(
                text("INSERT INTO api_keys (id, name, digest, created, revision) VALUES ('a', 'old', x'00', 1, 1)")
            )
        await before.close()
    now = await Database.open("sqlite", tmp_path)
    assert [(known.name, known.teams) for known in await Keys(now).all()] == [("old", ())]
    await now.close()
