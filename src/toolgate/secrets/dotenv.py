"""A `.env` file as a store. Its values are taken as they are written: `$` in them means nothing."""

import asyncio
import os
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from toolgate.config.files import Unreadable, read_text
from toolgate.errors import SecretMissing
from toolgate.model.secretref import Reference, Secret

__all__ = ["DotenvStore"]

MAX_BYTES: Final = 2**20


class DotenvStore:
    """Reads the file again when it changed. A file that is not there is a store with nothing in it."""

    name = "dotenv"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._state: tuple[int, ...] | None = None
        self._values: Mapping[str, str] = {}

    async def get(self, reference: Reference) -> Secret | None:
        value = (await asyncio.to_thread(self._read)).get(reference.name)
        return None if value is None else Secret(value)

    async def names(self) -> tuple[str, ...]:
        return tuple(sorted(await asyncio.to_thread(self._read)))

    def _read(self) -> Mapping[str, str]:
        state = _state(self.path)
        if state is None or state != self._state:
            # Taken before the reading: a change in between is then seen the next time.
            self._values, self._state = _values(self.path), state
        return self._values


def _state(path: Path) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)


def _values(path: Path) -> Mapping[str, str]:
    try:
        text = read_text(path, MAX_BYTES)
    except Unreadable as error:
        if error.missing:
            return {}
        raise SecretMissing(f"{path} cannot be read: {error.reason}", hint=f"make {path} a readable file") from None
    return {name: value for name, value in dotenv_values(stream=StringIO(text), interpolate=False).items()
            if value is not None}  # fmt: skip
