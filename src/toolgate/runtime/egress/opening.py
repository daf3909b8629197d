"""What a connection must say before it is let out: the name of the host that it was made for."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Final

from toolgate.model.grant import HTTP, HTTPS
from toolgate.runtime.egress.client_hello import NotTLS, server_name
from toolgate.runtime.egress.host_header import NotHTTP, Requests

__all__ = ["Fits", "Opening", "Refused", "opening"]

Fits = Callable[[str], bool]
"""Whether a host that the client named, empty where it named none, is the one that it connected to."""
Opening = tuple[bytes, Callable[[bytes], None]]
"""What was read already, and what judges the rest of what the client sends (raising Refused)."""

_CHUNK: Final = 16 * 1024
_MOST_READS: Final = 64
"""What comes byte by byte is read anew with each of them: only a client that means harm sends so."""


class Refused(ValueError):
    """Its text is the rest of a sentence: why."""


async def opening(client: socket.socket, port: int, fits: Fits) -> Opening | None:
    """None where the client left without a word. Raises Refused, and OSError of the connection.

    443 is for TLS and 80 is for HTTP. What is spoken at other ports is not known, and not looked at.
    """
    if port == HTTPS:
        return await _hello(client, fits)
    if port == HTTP:
        return await _request(client, fits)
    return b"", _anything


async def _hello(client: socket.socket, fits: Fits) -> Opening | None:
    received = b""
    async for part in _parts(client):
        received += part
        try:
            name = server_name(received)
        except NotTLS as error:
            raise Refused(str(error)) from None
        if name is None:
            continue
        if not fits(name):
            raise Refused(f"its TLS is for {name[:80]!r} (SNI)" if name else "its TLS names no host (SNI)")
        return received, _anything
    return None


async def _request(client: socket.socket, fits: Fits) -> Opening | None:
    requests = Requests(fits)

    def judge(data: bytes) -> None:
        try:
            requests.feed(data)
        except NotHTTP as error:
            raise Refused(str(error)) from None

    received = b""
    async for part in _parts(client):
        received += part
        judge(part)
        if requests.begun:
            return received, judge
    return None


async def _parts(client: socket.socket) -> AsyncIterator[bytes]:
    for _ in range(_MOST_READS):
        part = await asyncio.get_running_loop().sock_recv(client, _CHUNK)
        if not part:
            return
        yield part
    raise Refused("it says in too many pieces what it wants")


def _anything(data: bytes) -> None:
    """Encrypted by now, or of a protocol that is not known."""
