"""Which gateway runs here: it says so in a file that only its user reads."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from toolgate.cli.outcome import GatewayMissingError
from toolgate.store.folder import private_folder

__all__ = ["Endpoint", "RunFile", "Running", "find"]

_NAME: Final = "run.json"
_PATIENCE: Final = 1.0  # seconds


class Running(msgspec.Struct, frozen=True):
    """`url` has no path. `token` lets this user's own programs in. `started` is in seconds since the epoch."""

    pid: int
    url: str
    token: str
    started: float
    config: str | None = None

    def __repr__(self) -> str:
        return f"Running(pid={self.pid}, url={self.url!r})"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A gateway to talk to. `key` goes into the Authorization header; empty for none."""

    url: str
    key: str

    def __repr__(self) -> str:
        return f"Endpoint({self.url!r})"


class RunFile:
    def __init__(self, state: Path) -> None:
        self._path = state / _NAME

    def write(self, running: Running) -> None:
        """As a whole or not at all: a reader never sees half of it."""
        private_folder(self._path.parent)
        draft = self._path.with_name(f"{_NAME}.{running.pid}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(msgspec.json.encode(running))
        draft.replace(self._path)

    def read(self) -> Running | None:
        """The gateway that runs; None where there is none, or the one that wrote the file is gone."""
        try:
            running = msgspec.json.decode(self._path.read_bytes(), type=Running)
        except (OSError, msgspec.DecodeError):
            return None
        return running if _is_alive(running.pid) else None

    def remove(self, pid: int) -> None:
        """At the end of a run, unless another gateway has written its own meanwhile."""
        running = self.read()
        if running is not None and running.pid == pid:
            with suppress(FileNotFoundError):
                self._path.unlink()


def find(url: str | None, env: Mapping[str, str], state: Path) -> Endpoint | None:
    """The gateway named on the command line or in the environment, else the one that runs here, else None.

    The token of the run file goes to the gateway that wrote it and to no other.
    """
    key = env.get("TOOLGATE_KEY", "")
    running = RunFile(state).read()
    if url:
        base = url.rstrip("/").removesuffix("/mcp")
        if not base.startswith(("http://", "https://")):
            raise GatewayMissingError(f"{url} is not the address of a gateway", hint="e.g. http://127.0.0.1:8765")
        own = running.token if running is not None and running.url == base else ""
        return Endpoint(base, key or own)
    if running is None or not _answers(running.url):
        return None
    return Endpoint(running.url, key or running.token)


def _answers(url: str) -> bool:
    """Whether somebody listens there: the number of a process that was killed may have gone to another one."""
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname or "", address.port or 80), timeout=_PATIENCE).close()
    except OSError:
        return False
    return True


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is there, and somebody else's
        return True
    return True
