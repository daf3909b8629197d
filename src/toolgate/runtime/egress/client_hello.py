"""The name that a TLS client asks for, read from the first bytes that it sends (RFC 8446 4.1.2, RFC 6066 3)."""

from typing import Final

__all__ = ["LARGEST", "NotTLS", "server_name"]

LARGEST: Final = 32 * 1024
"""Bytes of a ClientHello with its record headers. One with post-quantum keys has about 2 KiB."""

_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_SERVER_NAME: Final = 0
_HOST_NAME: Final = 0
_RECORD: Final = 5
_LARGEST_RECORD: Final = 2**14
_MOST_RECORDS: Final = 32


class NotTLS(ValueError):
    """These bytes begin no ClientHello that can be judged. Its text is the rest of a sentence."""


class _Fields:
    """Reads the length-prefixed fields of TLS's presentation language."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def more(self) -> bool:
        return self._at < len(self._data)

    def take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        if len(taken) < size:
            raise NotTLS("its ClientHello is broken")
        self._at += size
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> "_Fields":
        return _Fields(self.vector_bytes(size))

    def vector_bytes(self, size: int) -> bytes:
        return self.take(self.number(size))


def server_name(received: bytes) -> str | None:
    """The name in lower case; empty where the client gave none; None while more bytes are needed.

    Raises NotTLS for anything that different readers could read differently: a name given twice, or none of a host.
    With Encrypted Client Hello this is the outer name, the only one that can be seen: it has to be allowed itself.
    """
    hello = _reassembled(received)
    if hello is None:
        if len(received) >= LARGEST:
            raise NotTLS("its ClientHello is too long")
        return None
    hello.take(2 + 32)  # version, random
    hello.vector(1)  # session
    hello.vector(2)  # cipher suites
    hello.vector(1)  # compression
    extensions = hello.vector(2) if hello.more() else _Fields(b"")
    if hello.more():
        raise NotTLS("its ClientHello is broken")
    name: str | None = None
    while extensions.more():
        kind, content = extensions.number(2), extensions.vector(2)
        if kind == _SERVER_NAME:
            if name is not None:
                raise NotTLS("it names two hosts")
            name = _host(content)
    return name or ""


def _host(extension: _Fields) -> str:
    names = extension.vector(2)
    kind, name = names.number(1), names.vector_bytes(2)
    if kind != _HOST_NAME or names.more() or extension.more():
        raise NotTLS("it names two hosts")
    if not name or not name.isascii() or not name.decode().isprintable():
        raise NotTLS("it names no host")
    return name.decode().lower()


def _reassembled(received: bytes) -> _Fields | None:
    """The body of the ClientHello, which may be spread over several records."""
    handshake = b""
    at = 0
    for _ in range(_MOST_RECORDS):
        if at >= len(received):
            return None
        head = received[at : at + _RECORD]
        if head[0] != _HANDSHAKE or head[1:2] not in {b"", b"\x03"}:
            raise NotTLS("it does not speak TLS")
        if len(head) < _RECORD:
            return None
        length = int.from_bytes(head[3:], "big")
        if not 0 < length <= _LARGEST_RECORD:
            raise NotTLS("it does not speak TLS")
        fragment = received[at + _RECORD : at + _RECORD + length]
        handshake += fragment
        if handshake[0:1] not in {b"", bytes([_CLIENT_HELLO])}:
            raise NotTLS("it does not begin with a ClientHello")
        if len(handshake) >= 4:
            size = int.from_bytes(handshake[1:4], "big")
            if len(handshake) - 4 >= size:
                return _Fields(handshake[4 : 4 + size])
            if size > LARGEST:
                raise NotTLS("its ClientHello is too long")
        at += _RECORD + length
    raise NotTLS("its ClientHello is in too many pieces")
