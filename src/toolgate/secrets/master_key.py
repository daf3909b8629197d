"""The key that the vault's own keys are wrapped with, and where it is found."""

import base64
import binascii
import os
import stat
from collections.abc import Callable, Mapping
from hashlib import blake2b
from pathlib import Path
from secrets import token_bytes
from typing import Final

from toolgate.errors import VaultLocked
from toolgate.store.folder import private_key

__all__ = [
    "FILE", "VARIABLE", "VARIABLE_OF_FILE", "MasterKey", "Sought", "key_of_file", "master_key", "replace_own",
]  # fmt: skip

VARIABLE: Final = "TOOLGATE_MASTER_KEY"
VARIABLE_OF_FILE: Final = "TOOLGATE_MASTER_KEY_FILE"
FILE: Final = "vault.key"
"""In the state folder, where neither is set."""

_BYTES: Final = 32
_LONGEST: Final = 1024
_FORM: Final = "it is 32 random bytes as base64, as `openssl rand -base64 32` makes them"


class MasterKey:
    """32 bytes that never print themselves. `id` tells keys apart and says nothing else of them."""

    __slots__ = ("id", "reveal")

    def __init__(self, key: bytes) -> None:
        self.reveal: Callable[[], bytes] = lambda: key
        self.id = blake2b(key, digest_size=8, person=b"toolgate.vault").hexdigest()

    def __repr__(self) -> str:
        return f"MasterKey({self.id})"


Sought = Callable[[bool], MasterKey]
"""Finds the key; `True` allows to make one where there is none. Blocks. Raises `VaultLocked`."""


def master_key(env: Mapping[str, str], state: Path, make: bool) -> MasterKey:
    """From the environment, else from the file that it names, else from the state folder.

    `make`: nothing was sealed yet, so that a new one may be made there. Raises `VaultLocked` and `StoreError`.
    """
    if text := env.get(VARIABLE, "").strip():
        return MasterKey(_decoded(text, VARIABLE))
    if named := env.get(VARIABLE_OF_FILE, "").strip():
        return MasterKey(_of_file(Path(named).expanduser()))
    file = state / FILE
    if file.exists():
        return MasterKey(_of_file(file))
    if not make:
        raise VaultLocked(
            f"the vault's master key is not there: neither {VARIABLE}, nor {VARIABLE_OF_FILE}, nor {file}",
            hint=f"bring back the key that the secrets were sealed with, as {file} or in {VARIABLE}",
        )
    return MasterKey(private_key(state, FILE))


def key_of_file(file: Path) -> MasterKey:
    """The key in this file, which is made where it is missing. Raises `VaultLocked`."""
    if not file.exists():
        _write(file, os.O_EXCL, token_bytes(_BYTES))
    return MasterKey(_of_file(file))


def replace_own(state: Path, key: MasterKey) -> None:
    """Make this the key of the state folder."""
    fresh = state / f"{FILE}.{os.getpid()}"
    _write(fresh, os.O_TRUNC, key.reveal())
    fresh.replace(state / FILE)


def _write(file: Path, flag: int, content: bytes) -> None:
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | flag, 0o600), "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as error:
        raise VaultLocked(
            f"the master key file {file} cannot be written: {error.strerror or error}",
            hint="name another file, in a folder that is there",
        ) from None


def _of_file(file: Path) -> bytes:
    try:
        _check_mode(file)
        with file.open("rb") as opened:
            content = opened.read(_LONGEST + 1)
    except OSError as error:
        raise VaultLocked(
            f"the master key file {file} cannot be read: {error.strerror or error}",
            hint=f"see that it is there, or that {VARIABLE_OF_FILE} names one that this user may read",
        ) from None
    return content if len(content) == _BYTES else _decoded(content.decode("latin-1").strip(), str(file))


def _check_mode(file: Path) -> None:
    mode = stat.S_IMODE(file.stat().st_mode)
    if os.name == "posix" and mode & 0o007:
        raise VaultLocked(
            f"the master key file {file} is open to other users of this machine (mode {mode:04o})",
            hint=f"chmod 600 {file}, and think of what was sealed with it as known",
        )


def _decoded(text: str, place: str) -> bytes:
    try:
        key = base64.b64decode(text.translate({ord("-"): "+", ord("_"): "/"}), validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != _BYTES:
        raise VaultLocked(f"{place} does not hold a master key", hint=_FORM)
    return key
