from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, update

from toolgate.errors import InvalidParams, VaultLocked
from toolgate.model.secretref import Reference, Secret, Template
from toolgate.model.vaultref import reference_to, within
from toolgate.secrets.master_key import MasterKey
from toolgate.secrets.resolve import Resolver
from toolgate.secrets.vault import Vault
from toolgate.store.database import Database
from toolgate.store.tables import vault as table
from toolgate.store.vault import SealedSecret, SealedSecrets

KEY = MasterKey(bytes(range(32)))
OTHER = MasterKey(bytes(32))
TEXT = "gho_a-token-that-nobody-else-has"


@pytest.fixture
async def rows(tmp_path: Path) -> AsyncIterator[SealedSecrets]:
    database = await Database.open("sqlite", tmp_path)
    yield SealedSecrets(database)
    await database.close()


def opened_with(rows: SealedSecrets, key: MasterKey = KEY) -> Vault:
    return Vault(rows, lambda _: key)


async def value(vault: Vault, name: str) -> str | None:
    secret = await vault.get(Reference(name, store="vault"))
    return secret.reveal() if secret is not None else None


async def test_what_is_put_is_found_by_its_newest_and_by_each_kept_version(rows: SealedSecrets) -> None:
    vault = opened_with(rows)
    for number in range(1, 13):
        assert await vault.put("", "github/token", Secret(f"value {number}")) == number
    assert await value(vault, "github/token") == "value 12"
    assert await value(vault, "github/token@3") == "value 3"
    assert await value(vault, "github/token@2") is None
    assert await value(vault, "github/token@13") is None
    assert [version for version, _ in await vault.versions("", "github/token")] == list(range(3, 13))
    assert await vault.names() == ("github/token",)
    assert await vault.delete("", "github/token")
    assert await vault.names() == ()
    assert not await vault.delete("", "github/token")


async def test_a_reference_resolves_through_it_in_its_owners_scope(rows: SealedSecrets) -> None:
    vault = opened_with(rows)
    await vault.put("user:alice/}", "key", Secret("of alice"))
    await vault.put("", "key", Secret("of all"))
    resolver = Resolver([vault])
    for owner, text, expected in (
        ("", "Bearer ${vault:key}", "Bearer of all"),
        ("user:alice/}", "Bearer ${vault:key@1}", "Bearer of alice"),
        ("user:alice/}", "${vault:-kept}", "kept"),
    ):
        assert (await resolver.resolve(Template(within(owner, text)))).reveal() == expected
    assert reference_to("key", 1) == "${vault:key@1}"


@pytest.mark.parametrize("text", ["${vault:~user:alice/key}", "${vault:~/key}", "${vault:key#member}", "${vault:}"])
async def test_no_owner_names_the_secret_of_another(rows: SealedSecrets, text: str) -> None:
    vault = opened_with(rows)
    await vault.put("user:alice", "key", Secret("of alice"))
    await vault.put("", "key", Secret("of all"))
    found = [await vault.get(reference) for reference in Template(within("user:bob", text)).references]
    assert not any(found)


async def test_no_value_is_in_the_database_or_in_what_is_printed(rows: SealedSecrets, tmp_path: Path) -> None:
    vault = opened_with(rows)
    await vault.put("", "token", Secret(TEXT))
    assert TEXT not in f"{await vault.get(Reference('token'))!r} {await rows.get('', 'token')!r} {KEY!r}"
    await rows.database.close()
    content = _written(tmp_path)
    assert b"token" in content
    assert TEXT.encode() not in content
    assert KEY.reveal() not in content


async def test_another_master_key_is_told_with_the_name_of_the_secret(rows: SealedSecrets) -> None:
    await opened_with(rows).put("", "token", Secret(TEXT))
    with pytest.raises(VaultLocked, match="the secret token was sealed with another master key") as raised:
        await value(opened_with(rows, OTHER), "token")
    assert "bring back" in raised.value.hint


async def test_nothing_is_sealed_with_another_master_key_than_the_rest(rows: SealedSecrets) -> None:
    await opened_with(rows).put("", "token", Secret(TEXT))
    with pytest.raises(VaultLocked, match="under another master key"):
        await opened_with(rows, OTHER).put("", "second", Secret(TEXT))
    assert await opened_with(rows).names() == ("token",)


async def test_a_lost_master_key_is_told_with_the_name_of_the_secret(rows: SealedSecrets) -> None:
    def lost(make: bool) -> MasterKey:
        assert not make
        raise VaultLocked("the vault's master key is not there")

    await opened_with(rows).put("", "token", Secret(TEXT))
    with pytest.raises(VaultLocked, match="the secret token cannot be opened: the vault's master key"):
        await value(Vault(rows, lost), "token")


async def test_a_master_key_may_be_made_only_while_nothing_is_sealed(rows: SealedSecrets) -> None:
    asked: list[bool] = []

    def key(make: bool) -> MasterKey:
        asked.append(make)
        return KEY

    await Vault(rows, key).put("", "token", Secret(TEXT))
    await Vault(rows, key).put("", "token", Secret(TEXT))
    assert asked == [True, False]


async def test_another_master_key_takes_over_and_no_body_is_touched(rows: SealedSecrets) -> None:
    vault = opened_with(rows)
    for number in range(3):
        await vault.put("user:alice", f"key-{number}", Secret(f"value {number}"))
    before = await all_rows(rows)
    assert await vault.rewrap(OTHER) == 3
    after = await all_rows(rows)
    assert [(row.nonce, row.body) for row in before] == [(row.nonce, row.body) for row in after]
    assert {row.wrapped for row in before}.isdisjoint(row.wrapped for row in after)
    assert await value(vault, "~user:alice/key-2") == "value 2"
    assert await value(opened_with(rows, OTHER), "~user:alice/key-1") == "value 1"
    with pytest.raises(VaultLocked):
        await value(opened_with(rows), "~user:alice/key-1")


async def test_a_damaged_row_lets_no_row_change_its_master_key(rows: SealedSecrets) -> None:
    vault = opened_with(rows)
    for number in range(3):
        await vault.put("", f"key-{number}", Secret(TEXT))
    before = await all_rows(rows)
    await write(rows, before[1].id, {"wrapped": bytes(60)})
    damaged = await all_rows(rows)
    with pytest.raises(VaultLocked, match=before[1].name):
        await vault.rewrap(OTHER)
    assert await all_rows(rows) == damaged


@pytest.mark.parametrize("name", ["", "/x", "~x", "a b", "a@1", "a" * 201, "a}b", "ä"])
async def test_names_that_no_reference_could_have_are_refused(rows: SealedSecrets, name: str) -> None:
    with pytest.raises(InvalidParams, match="no name for a secret"):
        await opened_with(rows).put("", name, Secret("x"))


@pytest.mark.parametrize("text", ["", "x" * 65_537, "\ud800", "ä" * 40_000])
async def test_what_cannot_be_kept_is_refused_without_being_quoted(rows: SealedSecrets, text: str) -> None:
    with pytest.raises(InvalidParams) as raised:
        await opened_with(rows).put("", "key", Secret(text))
    assert not text or text not in raised.value.message


def _written(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


# What somebody who can write to the database could do.

CHANGED = ("id", "scope", "name", "version", "master", "wrapped", "nonce", "body", "created")


@given(column=st.sampled_from(CHANGED), at=st.integers(0, 10_000), bit=st.integers(0, 7))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_changed_byte_of_any_column_is_refused(rows: SealedSecrets, column: str, at: int, bit: int) -> None:
    vault = await with_one_secret(rows)
    [row] = await all_rows(rows)
    changed = _flipped(getattr(row, column), at, bit)
    await write(rows, row.id, {column: changed})
    [row] = await all_rows(rows)
    path = f"~{row.scope}/{row.name}@{row.version}".replace("\0", "%00")
    with pytest.raises(VaultLocked):
        await vault._opened(row)
    assert await _refused(vault, path)


def _flipped(value: Any, at: int, bit: int) -> Any:
    if isinstance(value, bytes):
        at %= len(value)
        return value[:at] + bytes([value[at] ^ (1 << bit)]) + value[at + 1 :]
    if isinstance(value, str):
        at %= len(value) + 1
        return value[:at] + chr(ord("a") + bit) + value[at + (1 if value[at : at + 1] != chr(ord("a") + bit) else 0) :]
    return value + 1 + bit


async def _refused(vault: Vault, path: str) -> bool:
    try:
        return await value(vault, path) is None
    except VaultLocked:
        return True


@given(columns=st.sets(st.sampled_from(["wrapped", "nonce", "body", "id", "created", "master"]), min_size=1))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_columns_of_two_rows_cannot_be_swapped(rows: SealedSecrets, columns: set[str]) -> None:
    await with_one_secret(rows)
    vault = opened_with(rows)
    await vault.put("user:bob", "token", Secret("another value"))
    first, second = await all_rows(rows)
    swapped = {name: getattr(second, name) for name in columns}
    if all(getattr(first, name) == value for name, value in swapped.items()):
        return  # the same master key: nothing was changed
    with pytest.raises(VaultLocked):
        await vault._opened(replace(first, **swapped))


@pytest.mark.parametrize("column", ["version", "name", "scope"])
async def test_rows_and_versions_cannot_be_taken_for_each_other(rows: SealedSecrets, column: str) -> None:
    vault = opened_with(rows)
    for owner in ("user:a", "user:b"):
        for name in ("x", "y"):
            for _ in range(2):
                await vault.put(owner, name, Secret(TEXT))
    known = await all_rows(rows)
    other = {"version": {1: 2, 2: 1}, "name": {"x": "y", "y": "x"}, "scope": {"user:a": "user:b", "user:b": "user:a"}}
    async with rows.database.writing() as connection:
        await connection.execute(delete(table))
        for row in known:
            swapped = replace(row, **{column: other[column][getattr(row, column)]})  # type: ignore[index]
            await connection.execute(insert(table).values({name: getattr(swapped, name) for name in row.__slots__}))
    for row in await all_rows(rows):
        with pytest.raises(VaultLocked, match=row.name):
            await value(vault, f"~{row.scope}/{row.name}@{row.version}")


async def with_one_secret(rows: SealedSecrets) -> Vault:
    async with rows.database.writing() as connection:
        await connection.execute(delete(table))
    vault = opened_with(rows)
    await vault.put("user:alice", "token", Secret(TEXT))
    return vault


async def all_rows(rows: SealedSecrets) -> list[SealedSecret]:
    async with rows.database.reading() as connection:
        found = await connection.execute(select(table).order_by(table.c.scope, table.c.name, table.c.version))
        return [SealedSecret(**row) for row in found.mappings()]


async def write(rows: SealedSecrets, id_: str, values: dict[str, Any]) -> None:
    async with rows.database.writing() as connection:
        await connection.execute(update(table).where(table.c.id == id_).values(values))
