"""The folder of this user where Toolgate keeps what outlives a run."""

import os
from collections.abc import Mapping
from pathlib import Path
from secrets import token_bytes
from typing import Final

from platformdirs import user_state_path

from toolgate.errors import StoreError

__all__ = ["private_folder", "private_key", "state_folder"]

_KEY: Final = 32  # bytes


def state_folder(env: Mapping[str, str]) -> Path:
    """`TOOLGATE_STATE`, or the place that the operating system has for it. It may not exist yet."""
    if named := env.get("TOOLGATE_STATE"):
        return Path(named).expanduser()
    return user_state_path("toolgate", appauthor=False)


def private_folder(folder: Path) -> Path:
    """The folder, made where it is missing; nobody but its owner reads it. Raises `StoreError`."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise StoreError(
            f"the state folder {folder} cannot be used: {error.strerror or error}",
            hint="make it writable, or name another one in TOOLGATE_STATE",
        ) from error
    return folder


def private_key(folder: Path, name: str = "key") -> bytes:
    """32 random bytes that belong to this state folder, made once, in a file of this name. Raises `StoreError`."""
    file = private_folder(folder) / name
    try:
        if not file.exists():
            fresh = file.with_name(f"{name}.{os.getpid()}")
            fresh.touch(mode=0o600)
            fresh.write_bytes(token_bytes(_KEY))
            try:
                os.link(fresh, file)  # fails where another process was first: its key is the one
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        key = file.read_bytes()
    except OSError as error:
        raise StoreError(
            f"the key file {file} cannot be used: {error.strerror or error}",
            hint="make it readable and writable for you alone, or name another state folder in TOOLGATE_STATE",
        ) from error
    if len(key) != _KEY:
        raise StoreError(f"the key file {file} is damaged", hint="remove it: a new one is made at the next start")
    return key
