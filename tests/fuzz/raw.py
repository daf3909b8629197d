"""A client that sends bytes as they are, and reads HTTP as strictly as a good one."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from tests.fuzz.front import Front
from tests.fuzz.watch import ANSWERS_WITHIN

__all__ = ["Answer", "Wire", "dialled"]

_STREAMS: Final = 0.02  # seconds in which a stream that does not end may show what it has
_PATIENCE: Final = 0.05  # seconds after which a request that may be incomplete is ended by closing our side


@dataclass(frozen=True)
class Answer:
    status: int
    head: dict[bytes, bytes]
    body: bytes

    @property
    def stream(self) -> bool:
        return self.head.get(b"content-type") == b"text/event-stream"


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, pieces: Iterable[bytes]) -> None:
        """Each piece is given to the system by itself, and the server its turn to read it."""
        for piece in pieces:
            with suppress(ConnectionError):
                self._writer.write(piece)
                await self._writer.drain()
            await asyncio.sleep(0)

    def end(self) -> None:
        """Nothing more comes from us; we still read."""
        with suppress(OSError):
            self._writer.write_eof()

    async def answer(self, within: float = ANSWERS_WITHIN, *, bodiless: bool = False) -> Answer | None:
        """The next one, or None for a closed connection. `bodiless`: it is one to a HEAD. Raises `TimeoutError` where
        neither comes in time."""
        async with asyncio.timeout(within):
            try:
                block = await self._reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                return None
        status, head = _parsed(block)
        answer = Answer(status, head, b"" if bodiless else await self._body(head))
        _judge(answer)
        return answer

    async def answer_or_end(self, *, bodiless: bool = False) -> Answer | None:
        """For what may not be a whole request: an answer, or else, once our side is closed, the end."""
        try:
            return await self.answer(_PATIENCE, bodiless=bodiless)
        except TimeoutError:
            self.end()
            return await self.answer(bodiless=bodiless)

    async def _body(self, head: dict[bytes, bytes]) -> bytes:
        if b"transfer-encoding" not in head:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                async with asyncio.timeout(ANSWERS_WITHIN):
                    return await self._reader.readexactly(int(head.get(b"content-length", b"0")))
            return b""
        parts = []
        stream = head.get(b"content-type") == b"text/event-stream"
        try:
            async with asyncio.timeout(_STREAMS if stream else ANSWERS_WITHIN):
                while size := int(await self._reader.readuntil(b"\r\n"), 16):
                    parts.append((await self._reader.readexactly(size + 2))[:-2])
                await self._reader.readexactly(2)
        except TimeoutError:
            assert stream
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        return b"".join(parts)


def _parsed(block: bytes) -> tuple[int, dict[bytes, bytes]]:
    first, *lines = block[:-4].split(b"\r\n")
    assert first.startswith(b"HTTP/1.1 "), first
    pairs = (line.partition(b":") for line in lines)
    return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}


def _judge(answer: Answer) -> None:
    """No fault of ours, whatever came in; and what goes out is what it says it is."""
    assert answer.status < 500 or answer.status == 503, answer
    if answer.head.get(b"content-type") == b"application/json" and answer.body:
        json.loads(answer.body.decode(), parse_int=len)  # a number may be longer than Python converts


@asynccontextmanager
async def dialled(front: Front) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection(*front.address[:2], limit=1 << 22)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
