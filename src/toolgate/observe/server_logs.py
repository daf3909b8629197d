"""The logs of servers: what they write beside the protocol and what becomes of them, in bounded files of their own."""

import asyncio
import logging
import os
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Final

__all__ = ["ServerLogs"]

_SIZE: Final = 2**20  # bytes of a file
_FILES: Final = 5
_UNWRITTEN: Final = 2000  # lines of one server
_LOOK: Final = 0.3  # seconds between two looks for what is new: another worker may write it
_FOLLOWERS: Final = 64

_log = logging.getLogger(__name__)


class ServerLogs:
    """`{server}.log` and, of earlier, `.1` to `.4`, in a folder that nobody else reads. `write` only touches memory; a
    task of its own writes. Each line is `{time in UTC} {source} {text}`.

    Made on the event loop. A file has one writer; several processes may read it.
    """

    def __init__(
        self, folder: Path, *, size: int = _SIZE, files: int = _FILES, clock: Callable[[], float] = time.time
    ) -> None:
        self._folder = folder
        self._size = size
        self._files = files
        self._clock = clock
        self._unwritten: defaultdict[str, deque[str]] = defaultdict(deque)
        self._dropped: Counter[str] = Counter()
        self._states: dict[str, str] = {}
        self._followers = 0
        self._complained = False
        self._ending = False
        self._closing = False
        self._flushing = asyncio.Lock()
        self._wake = asyncio.Event()
        self._writer = asyncio.create_task(self._write_on(), name="server-log-writer")

    def write(self, server: str, source: str, text: str) -> None:
        """One line, redacted. What comes faster than it can be written is left out, and that is written."""
        waiting = self._unwritten[server]
        if len(waiting) >= _UNWRITTEN:
            self._dropped[server] += 1
            return
        waiting.append(self._line(source, text))
        self._wake.set()

    def note(self, server: str, state: str, text: str) -> None:
        """The server is in this state. Said again, it changes nothing."""
        if self._states.get(server) != state:
            self._states[server] = state
            self.write(server, "toolgate", text)

    async def tail(self, server: str, lines: int) -> list[str]:
        """At most so many, the newest at the end; what was written before this is among them."""
        await self._flush()
        return (await asyncio.to_thread(self._tail, server, lines))[0]

    @property
    def is_full(self) -> bool:
        """Whether too many follow."""
        return self._followers >= _FOLLOWERS

    async def follow(self, server: str, lines: int) -> AsyncGenerator[list[str], None]:
        """The last lines, then what is written from now on, some lines at a time, empty where there was nothing."""
        self._followers += 1
        try:
            await self._flush()
            last, place = await asyncio.to_thread(self._tail, server, lines)
            yield last
            rest = b""
            while not self._ending:
                await asyncio.sleep(_LOOK)
                place, data = await asyncio.to_thread(self._since, server, place)
                *whole, rest = (rest + data).split(b"\n")
                yield [line.decode("utf-8", "replace") for line in whole]
        finally:
            self._followers -= 1

    def end(self) -> None:
        """Let nobody follow any longer."""
        self._ending = True

    async def close(self) -> None:
        """Write what is left."""
        self._closing = True
        self._wake.set()
        await self._writer

    def _line(self, source: str, text: str) -> str:
        now = self._clock()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        return f"{stamp}.{int(now % 1 * 1000):03d}Z {source:<8} {text}\n"

    async def _write_on(self) -> None:
        while not self._closing:
            await self._wake.wait()
            await self._flush()
        await self._flush()

    async def _flush(self) -> None:
        async with self._flushing:
            await self._flush_once()

    async def _flush_once(self) -> None:
        self._wake.clear()
        batch = {server: "".join(lines) for server, lines in self._unwritten.items() if lines}
        for server, dropped in self._dropped.items():
            batch[server] = batch.get(server, "") + self._line("toolgate", f"({dropped} lines were left out)")
        self._unwritten.clear()
        self._dropped.clear()
        if batch:
            await asyncio.shield(asyncio.to_thread(self._append, batch))

    # In a thread

    def _append(self, batch: dict[str, str]) -> None:
        for server, text in batch.items():
            try:
                self._append_to(self._path(server), text.encode("utf-8", "replace"))
                self._complained = False
            except OSError as error:
                if not self._complained:
                    _log.warning("the log of server %r cannot be written: %s", server, error)
                self._complained = True

    def _append_to(self, path: Path, data: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size + len(data) > self._size:
            self._rotate(path)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        try:
            os.write(descriptor, data[-self._size :])
        finally:
            os.close(descriptor)

    def _rotate(self, path: Path) -> None:
        for number in range(self._files - 1, 0, -1):
            older = path.with_name(f"{path.name}.{number}")
            newer = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
            if newer.exists():
                newer.replace(older)

    def _path(self, server: str) -> Path:
        return self._folder / f"{server}.log"

    def _tail(self, server: str, lines: int) -> tuple[list[str], tuple[int, int]]:
        """And the place behind them: the number of the file, and how much of it was read."""
        path = self._path(server)
        found: list[str] = []
        place = 0, 0
        for number in range(self._files):
            file = path.with_name(f"{path.name}.{number}") if number else path
            try:
                with file.open("rb") as opened:
                    data = opened.read(2 * self._size)
                    if not number:
                        place = os.fstat(opened.fileno()).st_ino, len(data)
            except FileNotFoundError:
                break
            found = data.decode("utf-8", "replace").splitlines() + found
            if len(found) >= lines:
                break
        return found[-lines:], place

    def _since(self, server: str, place: tuple[int, int]) -> tuple[tuple[int, int], bytes]:
        """What stands behind a place, and the place behind that."""
        known, at = place
        path = self._path(server)
        found: list[bytes] = []
        for number in range(self._files):
            file = path.with_name(f"{path.name}.{number}") if number else path
            try:
                with file.open("rb") as opened:
                    its = os.fstat(opened.fileno()).st_ino
                    opened.seek(at if its == known else 0)
                    found.append(opened.read(2 * self._size))
                    if not number:
                        place = its, opened.tell()
            except FileNotFoundError:
                break
            if its == known or not known:
                break
        return place, b"".join(reversed(found))
