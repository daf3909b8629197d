"""Tells whose key a token is, out of memory."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Self

from toolgate.errors import StoreError, Unauthenticated
from toolgate.identity.api_keys import digest_of
from toolgate.model.principal import Principal
from toolgate.store.database import Database
from toolgate.store.keys import ApiKey, Keys

__all__ = ["Authenticator"]

_LOOK: Final = 0.5  # seconds between looks whether another process changed the keys
_NOTE: Final = 60.0  # seconds between notes of when keys were last used

_log = logging.getLogger(__name__)


class Authenticator:
    """Called with a token, answers its principal or raises `Unauthenticated`: one hash and one look into a dictionary.

    The command line makes and revokes keys in the database itself, so a task looks whether they changed.
    """

    def __init__(
        self, keys: Keys, *, now: Callable[[], float] = time.time, changed: Callable[[], None] = lambda: None
    ) -> None:
        self._keys = keys
        self._now = now
        self._changed = changed
        self.revision = -1
        """Another one where keys were made or revoked."""
        self._known: dict[bytes, tuple[ApiKey, Principal]] = {}
        self._used: dict[str, float] = {}
        self._watch: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls, database: Database, *, now: Callable[[], float] = time.time, changed: Callable[[], None] = lambda: None
    ) -> Self:
        """`changed` is called when keys were made or revoked meanwhile."""
        opened = cls(Keys(database), now=now, changed=changed)
        await opened.refresh()
        opened._watch = asyncio.create_task(opened._look_on(), name="key-watch")
        return opened

    def __call__(self, token: bytes) -> Principal:
        # Found by what it hashes to: how long that takes tells nothing of a key.
        known = self._known.get(digest_of(token))
        if known is None:
            raise Unauthenticated("this key is not known here", hint=_HINT)
        key, principal = known
        now = self._now()
        if not key.is_live(now):
            raise Unauthenticated(_why_dead(key), hint=_HINT)
        self._used[key.id] = now
        return principal

    @property
    def has_keys(self) -> bool:
        """Whether there is a key that would be let in now."""
        now = self._now()
        return any(key.is_live(now) for key, _ in self._known.values())

    async def refresh(self) -> bool:
        """Read the keys again where they changed; the answer says whether they did."""
        revision = await self._keys.revision()  # before the keys: what changes in between is then seen next time
        if revision == self.revision:
            return False
        keys = await self._keys.all()
        self._known = {key.digest: (key, Principal(f"key:{key.id}", key.name, key.teams)) for key in keys}
        self.revision = revision
        return True

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        try:
            await self._note_use()
        except StoreError as error:
            _log.warning("when keys were last used is not kept: %s", error)

    async def _look_on(self) -> None:
        noted = self._now()
        failing = False
        while True:
            await asyncio.sleep(_LOOK)
            try:
                if await self.refresh():
                    _log.info("the keys changed: %d known", len(self._known))
                    self._changed()
                if self._now() - noted >= _NOTE:
                    noted = self._now()
                    await self._note_use()
                failing = False
            except StoreError as error:
                if not failing:  # once, not every second until it is mended
                    _log.error("the keys cannot be read; those known stay in force: %s %s", error, error.hint)
                failing = True

    async def _note_use(self) -> None:
        used, self._used = self._used, {}
        if used:
            await self._keys.used(used)


_HINT: Final = "`toolgate keys list` shows the keys, `toolgate keys create NAME` makes one"


def _why_dead(key: ApiKey) -> str:
    if key.revoked is not None:
        return f"the key {key.name} ({key.id}) was revoked at {_moment(key.revoked)}"
    return f"the key {key.name} ({key.id}) expired at {_moment(key.expires or 0)}"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
