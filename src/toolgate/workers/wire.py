"""Frames over a unix socket, in both directions."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, cast

import msgspec

from toolgate.workers import frames
from toolgate.workers.frames import Frame

__all__ = ["Wire"]

_FULL: Final = 64 * 1024 * 1024  # bytes that wait for a worker of ours, which does nothing for long but read

_log = logging.getLogger(__name__)


class Wire(asyncio.Protocol):
    """`heard` is given each frame, `lost` is called at the end."""

    def __init__(self, heard: Callable[[Frame], None], lost: Callable[[], None]) -> None:
        self._heard = heard
        self._lost = lost
        self._buffer = bytearray()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not subclasses of asyncio's

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            self._buffer += data
            data = bytes(self._buffer) if self._is_whole() else b""
            if not data:
                return
            self._buffer.clear()
        at = 0
        try:
            while True:
                frame, size = frames.decode(memoryview(data)[at:])
                if frame is None:
                    break
                at += size
                self._heard(frame)
        except msgspec.DecodeError as error:
            _log.error("another worker said what is no frame: %s", error)
            self.abort()
            return
        if at < len(data):
            self._buffer += data[at:]

    def _is_whole(self) -> bool:
        buffer = self._buffer
        return len(buffer) >= 4 and len(buffer) >= 4 + int.from_bytes(buffer[:4], "big")

    def connection_lost(self, error: Exception | None) -> None:
        self._lost()

    def send(self, frame: Frame) -> None:
        if not self._transport.is_closing():
            self._transport.write(frames.encode(frame))

    @property
    def is_full(self) -> bool:
        return self._transport.get_write_buffer_size() > _FULL

    def abort(self) -> None:
        self._transport.abort()

    def close(self) -> None:
        """Once all was sent."""
        self._transport.close()
