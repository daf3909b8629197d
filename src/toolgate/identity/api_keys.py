"""API keys: `tg_` + 8 characters that name the key + `_` + 43 that are secret. Only a hash of the whole is kept."""

import secrets
import string
import time
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from toolgate.errors import ToolgateError
from toolgate.model.names import is_team_name
from toolgate.model.secretref import Secret
from toolgate.store.keys import ApiKey, Keys

__all__ = ["KeyRefusedError", "create", "digest_of", "revoke"]

_ALPHABET: Final = string.ascii_lowercase + string.digits
_MAX_NAME: Final = 64


class KeyRefusedError(ToolgateError):
    """A key that cannot be made or revoked as it was asked for."""

    code = "key-refused"
    http = 400


async def create(
    keys: Keys, name: str, expires: float | None = None, teams: Iterable[str] = ()
) -> tuple[ApiKey, Secret]:
    """A new key, stored; and its text, which is nowhere kept. `expires` is in seconds since the epoch."""
    now = time.time()
    name = name.strip()
    if not name or len(name) > _MAX_NAME or not name.isprintable():
        raise KeyRefusedError(f"a key's name has 1 to {_MAX_NAME} printable characters", hint="e.g. where it is used")
    if expires is not None and expires <= now:
        raise KeyRefusedError("the key would have expired already", hint="name a moment in the future, e.g. 90d")
    teams = tuple(sorted(set(teams)))
    if wrong := [team for team in teams if not is_team_name(team)]:
        raise KeyRefusedError(
            f"{wrong[0]!r} is no name of a team", hint="it has letters, digits, `.`, `-` and `_`, at most 64 of them"
        )
    public = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    text = f"tg_{public}_{secrets.token_urlsafe(32)}"
    key = ApiKey(id=public, name=name, digest=digest_of(text.encode()), created=now, expires=expires, teams=teams)
    if await keys.add(key):
        return key, Secret(text)
    raise KeyRefusedError(
        f"there is a key named {name} already", hint=f"choose another name, or `toolgate keys revoke {name}` first"
    )


async def revoke(keys: Keys, name: str) -> list[ApiKey]:
    """Revoke by public id or name. Raises `KeyRefusedError` where there is none that is not revoked."""
    if revoked := await keys.revoke(name, time.time()):
        return revoked
    raise KeyRefusedError(f"there is no key {name} that is not revoked", hint="`toolgate keys list` shows them")


def digest_of(key: bytes) -> bytes:
    """Without salt and in one round: there are 256 random bits in it, which nobody guesses."""
    return sha256(key).digest()
