"""The unix sockets over which the workers of one gateway reach each other."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Self

from toolgate.errors import StoreError
from toolgate.store.folder import private_folder

__all__ = ["Doors"]

_LONGEST: Final = 100  # bytes of a path: `sockaddr_un.sun_path` has 108 on Linux, 104 on macOS, and an end
_BACKLOG: Final = 1024


class Doors:
    """Two for each worker: calls of servers that it runs, and whole requests of what it holds.

    The parent keeps all of them open: whoever knocks while a worker is being started again waits for it.
    """

    def __init__(self, folder: Path, calls: list[socket.socket], requests: list[socket.socket]) -> None:
        self._folder = folder
        self.calls = calls
        self.requests = requests

    @classmethod
    def open(cls, count: int, state: Path) -> Self:
        """In a folder that only this user may enter. Raises `StoreError`."""
        try:
            folder = Path(tempfile.mkdtemp(prefix="workers-", dir=_place(private_folder(state))))
            calls = [_listening(folder / f"{number}.calls") for number in range(count)]
            requests = [_listening(folder / f"{number}.requests") for number in range(count)]
        except OSError as error:
            raise StoreError(
                f"the sockets of the workers cannot be made: {error.strerror or error}",
                hint="make the folder for temporary files writable, or start with --workers 1",
            ) from error
        return cls(folder, calls, requests)

    def calls_of(self, number: int) -> str:
        return str(self._folder / f"{number}.calls")

    def requests_of(self, number: int) -> str:
        return str(self._folder / f"{number}.requests")

    def mend(self, number: int) -> None:
        """Before a worker is started again: the event loop of the one before may have taken the names away."""
        for socks, path in ((self.calls, self.calls_of(number)), (self.requests, self.requests_of(number))):
            if not os.path.exists(path):
                socks[number].close()
                socks[number] = _listening(Path(path))

    def keep(self, number: int) -> None:
        """In a worker: close those of all others."""
        for socks in (self.calls, self.requests):
            for other, sock in enumerate(socks):
                if other != number:
                    sock.close()

    def remove(self) -> None:
        for sock in (*self.calls, *self.requests):
            sock.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _place(state: Path) -> Path:
    """The first of the usual folders whose name is short enough for what will be in it."""
    folders: Iterable[Path] = (state, Path(tempfile.gettempdir()), Path("/tmp"))  # noqa: S108  # the folder in it is ours alone
    room = _LONGEST - len("/workers-12345678/99.requests")
    return next((folder for folder in folders if len(os.fsencode(folder)) <= room), Path("/tmp"))  # noqa: S108


def _listening(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(str(path))
    sock.listen(_BACKLOG)
    sock.setblocking(False)
    return sock
