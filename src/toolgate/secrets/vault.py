"""The built-in vault: secrets in the gateway's own database, encrypted."""

import asyncio
import struct
import time
from collections.abc import Callable, Mapping
from typing import Final
from uuid import uuid4

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from toolgate.errors import Conflict, InvalidParams, VaultLocked
from toolgate.model.owner import EVERYBODY
from toolgate.model.secretref import Reference, Secret
from toolgate.model.vaultref import VAULT, is_secret_name, path_of
from toolgate.secrets.master_key import MasterKey, Sought
from toolgate.store.vault import SealedSecret, SealedSecrets

__all__ = ["Vault"]

_KEPT: Final = 10  # versions of a secret
_LONGEST: Final = 64 * 1024  # bytes of a secret
_TRIES: Final = 5


class Vault:
    """A `secrets.base.SecretStore`; see `model.vaultref` for the names that it answers to.

    `key` is asked when the first secret is sealed or opened. A value is in memory only while it is used.
    """

    name = VAULT

    def __init__(self, secrets: SealedSecrets, key: Sought, clock: Callable[[], float] = time.time) -> None:
        self._secrets = secrets
        self._sought = key
        self._clock = clock
        self._key: MasterKey | None = None
        self._seeking = asyncio.Lock()

    async def get(self, reference: Reference) -> Secret | None:
        """Raises `VaultLocked`, which names the secret."""
        path = path_of(reference.name)
        if path is None or reference.key:
            return None
        sealed = await self._secrets.get(*path)
        return await self._opened(sealed) if sealed is not None else None

    async def names(self, scope: str = EVERYBODY) -> tuple[str, ...]:
        """Sorted."""
        return tuple(await self._secrets.names(scope))

    async def all_names(self) -> list[tuple[str, str, int]]:
        """(owner, name, newest version) of all secrets there are."""
        return await self._secrets.all_names()

    async def versions(self, scope: str, name: str) -> list[tuple[int, float]]:
        """(version, when it was put, in seconds since the epoch), oldest first; ten at most are kept."""
        return await self._secrets.versions(scope, name)

    async def put(self, scope: str, name: str, secret: Secret) -> int:
        """A new version, whose number is the answer. Raises `InvalidParams`, `VaultLocked` and `Conflict`."""
        await self.unlocked()
        for _ in range(_TRIES):
            try:
                async with self._secrets.database.writing() as connection:
                    return (await self.put_all(connection, scope, {name: secret}))[name]
            except IntegrityError:
                continue  # another process was first with this version
        raise Conflict(f"the secret {name} is being changed by others", hint="try again")

    async def put_all(self, connection: AsyncConnection, scope: str, secrets: Mapping[str, Secret]) -> dict[str, int]:
        """Within a transaction, new versions of all, or none: the answer has their numbers. `unlocked` comes first.
        Raises `InvalidParams`, and `IntegrityError` where another process was first."""
        if not secrets:
            return {}
        for name, secret in secrets.items():
            _check(name, secret)
        master = await self._current(connection)
        latest = await self._secrets.latest(connection, scope, list(secrets))
        versions = {name: latest.get(name, 0) + 1 for name in secrets}
        sealed = [self._sealed(master, scope, name, versions[name], secret) for name, secret in secrets.items()]
        await self._secrets.add(connection, sealed, _KEPT)
        return versions

    async def delete(self, scope: str, name: str) -> bool:
        """With all its versions; whether there was one."""
        async with self._secrets.database.writing() as connection:
            return await self._secrets.delete(connection, scope, name) > 0

    async def delete_below(self, connection: AsyncConnection, scope: str, prefix: str) -> None:
        """Within a transaction, all whose names begin so."""
        await self._secrets.delete_below(connection, scope, prefix)

    async def rewrap(self, new: MasterKey) -> int:
        """Put every data key under another master key, all or none; no secret is opened. The answer is how many."""
        old = await self.unlocked()
        count, last = 0, ""
        async with self._secrets.database.writing() as connection:
            while rows := await self._secrets.page(connection, last):
                for row in rows:
                    wrapped = _rewrapped(old, new, row)
                    await self._secrets.rewrapped(connection, row.id, new.id, wrapped)
                count, last = count + len(rows), rows[-1].id
        self._key = new
        return count

    async def unlocked(self) -> MasterKey:
        """The master key, looked for once. Raises `VaultLocked` and `StoreError`."""
        async with self._seeking:
            if self._key is None:
                fresh = not await self._secrets.any()
                self._key = await asyncio.to_thread(self._sought, fresh)
            return self._key

    async def _current(self, connection: AsyncConnection) -> MasterKey:
        """The key that all others are under: nothing is sealed with one that was replaced meanwhile."""
        master = await self.unlocked()
        known = await self._secrets.master(connection)
        if known is not None and known != master.id:
            self._key = None
            master = await self.unlocked()
            if known != master.id:
                raise VaultLocked(
                    f"the vault is under another master key ({known!r}; this one is {master.id!r})",
                    hint="bring back the key that its secrets were sealed with",
                )
        return master

    async def _opened(self, sealed: SealedSecret) -> Secret:
        try:
            master = await self.unlocked()
            if master.id != sealed.master:  # it may have been changed meanwhile
                self._key = None
                master = await self.unlocked()
        except VaultLocked as error:
            raise VaultLocked(f"the secret {sealed.name} cannot be opened: {error.message}", hint=error.hint) from None
        from toolgate.secrets import envelope  # noqa: PLC0415  # 6 MB: only where the vault is used

        _check_master(master, sealed)
        try:
            packed = envelope.Envelope(sealed.wrapped, sealed.nonce, sealed.body)
            return Secret(envelope.open_envelope(master.reveal(), _bound(sealed), packed).decode())
        except envelope.NotOpened:
            raise _tampered(sealed) from None

    def _sealed(self, master: MasterKey, scope: str, name: str, version: int, secret: Secret) -> SealedSecret:
        from toolgate.secrets import envelope  # noqa: PLC0415  # as above

        row = SealedSecret(uuid4().hex, scope, name, version, master.id, b"", b"", b"", self._clock())
        packed = envelope.seal(master.reveal(), _bound(row), secret.reveal().encode())
        return SealedSecret(row.id, scope, name, version, master.id, *packed, row.created)


def _check(name: str, secret: Secret) -> None:
    if not is_secret_name(name):
        raise InvalidParams(
            f"{name!r} is no name for a secret", hint="it has letters, digits, `.`, `_`, `-` and `/`, at most 200"
        )
    text = secret.reveal()
    if not text or len(text) > _LONGEST or len(text.encode("utf-8", "surrogatepass")) > _LONGEST:
        raise InvalidParams(f"the secret {name} is empty, or longer than {_LONGEST} bytes")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise InvalidParams(f"the secret {name} is not text")


def _bound(row: SealedSecret) -> bytes:
    """What a row's envelope is good for: this table, row, owner, name and version. Each part with its length, so that
    no two rows read the same."""
    texts = ("vault", row.id, row.scope, row.name)
    parts = [*(text.encode() for text in texts), struct.pack(">qd", row.version, row.created)]
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def _rewrapped(old: MasterKey, new: MasterKey, row: SealedSecret) -> bytes:
    from toolgate.secrets import envelope  # noqa: PLC0415  # as above

    _check_master(old, row)
    try:
        return envelope.rewrap(old.reveal(), new.reveal(), _bound(row), row.wrapped)
    except envelope.NotOpened:
        raise _tampered(row) from None


def _check_master(master: MasterKey, row: SealedSecret) -> None:
    if row.master != master.id:
        raise VaultLocked(
            f"the secret {row.name} was sealed with another master key ({row.master!r}; this one is {master.id!r})",
            hint="bring back the key that it was sealed with, or give the secret anew",
        )


def _tampered(row: SealedSecret) -> VaultLocked:
    return VaultLocked(
        f"the secret {row.name} cannot be opened: its row in the database is not as it was written",
        hint="give the secret anew, and see who can write to the database",
    )
