import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from toolgate.errors import Unauthenticated
from toolgate.identity import api_keys
from toolgate.identity.api_keys import KeyRefusedError
from toolgate.identity.authenticate import Authenticator
from toolgate.store.database import Database
from toolgate.store.keys import Keys


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open("sqlite", tmp_path)
    yield database
    await database.close()


class Clock:
    def __init__(self) -> None:
        self.time = 1_000.0

    def __call__(self) -> float:
        return self.time


async def test_a_key_is_its_principal_and_its_text_is_stored_nowhere(database: Database, tmp_path: Path) -> None:
    key, secret = await api_keys.create(Keys(database), "laptop")
    authenticator = await Authenticator.open(database)
    principal = authenticator(secret.reveal().encode())
    await authenticator.close()
    assert (principal.id, principal.name) == (f"key:{key.id}", "laptop")
    assert secret.reveal().startswith(f"tg_{key.id}_")
    assert len(secret.reveal()) == 3 + 8 + 1 + 43
    assert str(secret) == "***"
    assert secret.reveal()[12:].encode() not in await asyncio.to_thread(contents, tmp_path)


def contents(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_a_key_that_differs_in_one_letter_is_refused(database: Database) -> None:
    _, secret = await api_keys.create(Keys(database), "laptop")
    authenticator = await Authenticator.open(database)
    text = secret.reveal()
    wrong = [text[:-1] + ("A" if text[-1] != "A" else "B"), text + "x", text[:-1], "", "tg_", "é" * 55, "\ud800" * 55]
    for token in wrong:
        with pytest.raises(Unauthenticated, match="not known"):
            authenticator(token.encode("utf-8", "surrogatepass"))
    await authenticator.close()


async def test_an_expired_key_stops_working_at_its_second(database: Database) -> None:
    clock = Clock()
    key, secret = await api_keys.create(Keys(database), "laptop", expires=4_000_000_000.0)
    authenticator = await Authenticator.open(database, now=clock)
    assert authenticator(secret.reveal().encode()).id == f"key:{key.id}"
    had_keys = authenticator.has_keys
    clock.time = 4_000_000_000.0
    with pytest.raises(Unauthenticated, match="expired at 2096"):
        authenticator(secret.reveal().encode())
    assert (had_keys, authenticator.has_keys) == (True, False)
    await authenticator.close()


async def test_a_running_gateway_notices_what_another_process_did(database: Database, tmp_path: Path) -> None:
    changed = asyncio.Event()
    authenticator = await Authenticator.open(database, changed=changed.set)
    other = await Database.open("sqlite", tmp_path)
    key, secret = await api_keys.create(Keys(other), "laptop")
    await asyncio.wait_for(changed.wait(), 1)
    assert authenticator(secret.reveal().encode()).name == "laptop"
    changed.clear()
    await api_keys.revoke(Keys(other), key.id)
    await asyncio.wait_for(changed.wait(), 1)
    with pytest.raises(Unauthenticated, match="revoked at"):
        authenticator(secret.reveal().encode())
    await other.close()
    await authenticator.close()


async def test_known_keys_stay_in_force_while_the_database_fails(database: Database) -> None:
    _, secret = await api_keys.create(Keys(database), "laptop")
    changed = asyncio.Event()
    authenticator = await Authenticator.open(database, changed=changed.set)
    with heard("toolgate.identity.authenticate") as trouble:
        await _rename(database, "api_keys", "elsewhere")
        assert "stay in force" in await asyncio.wait_for(trouble.get(), 5)
    assert authenticator(secret.reveal().encode()).name == "laptop"
    await _rename(database, "elsewhere", "api_keys")
    await api_keys.revoke(Keys(database), "laptop")
    await asyncio.wait_for(changed.wait(), 5)
    with pytest.raises(Unauthenticated, match="revoked at"):
        authenticator(secret.reveal().encode())
    await authenticator.close()


@contextmanager
def heard(name: str) -> Iterator[asyncio.Queue[str]]:
    """What is logged under a name, as it comes."""
    messages: asyncio.Queue[str] = asyncio.Queue()

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.put_nowait(record.getMessage())

    ear = Ear()
    logging.getLogger(name).addHandler(ear)
    yield messages
    logging.getLogger(name).removeHandler(ear)


async def _rename(database: Database, old: str, new: str) -> None:
    async with database.writing() as connection:
        await connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))


async def test_when_a_key_was_last_used_is_kept_at_the_end(database: Database) -> None:
    _, secret = await api_keys.create(Keys(database), "laptop")
    authenticator = await Authenticator.open(database, now=Clock())
    authenticator(secret.reveal().encode())
    await authenticator.close()
    assert [key.last_used for key in await Keys(database).all()] == [1_000.0]


async def test_keys_that_cannot_be_made_or_revoked_are_refused_with_a_reason(database: Database) -> None:
    keys = Keys(database)
    await api_keys.create(keys, "laptop")
    with pytest.raises(KeyRefusedError, match="named laptop already"):
        await api_keys.create(keys, "laptop")
    with pytest.raises(KeyRefusedError, match="printable"):
        await api_keys.create(keys, " ")
    with pytest.raises(KeyRefusedError, match="expired already"):
        await api_keys.create(keys, "old", expires=1.0)
    with pytest.raises(KeyRefusedError, match="no key nothing"):
        await api_keys.revoke(keys, "nothing")


async def test_a_principal_has_the_teams_of_its_key(database: Database) -> None:
    keys = Keys(database)
    key, secret = await api_keys.create(keys, "laptop", teams=["support", "platform", "support"])
    authenticator = await Authenticator.open(database)
    assert authenticator(secret.reveal().encode()).teams == key.teams == ("platform", "support")
    await authenticator.close()
    for wrong in ("a,b", "", " ", "-x"):
        with pytest.raises(KeyRefusedError, match="no name of a team"):
            await api_keys.create(keys, "other", teams=[wrong])
