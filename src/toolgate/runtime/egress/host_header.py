"""The host that each request of a plain HTTP/1 connection is for (RFC 9112 3.2)."""

from collections.abc import Callable
from typing import Final

import httptools

__all__ = ["LARGEST", "NotHTTP", "Requests"]

LARGEST: Final = 64 * 1024
"""Bytes of a request's head, or of anything else that is not its body."""


class NotHTTP(ValueError):
    """These bytes are no requests that can be judged, or one is for a foreign host. Its text ends a sentence."""


class Requests:
    """Reads along what a client sends, and holds every request to a `Host` (without its port) that `fits`.

    What a second reader could take differently is refused: a missing or second `Host`, a whole URL as the target, both
    lengths, folded lines, CONNECT and a change of protocol (after which nothing could be read along any more).
    """

    def __init__(self, fits: Callable[[str], bool]) -> None:
        self._fits = fits
        self._parser = httptools.HttpRequestParser(self)
        self._hosts: list[bytes] = []
        self._target = b""
        self._in_head = True
        self._unjudged = 0
        self._problem = ""
        self.begun = False
        """Whether the head of the first request is whole, and fits."""

    def feed(self, data: bytes) -> None:
        """Raises NotHTTP."""
        self._unjudged += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._problem = self._problem or "it wants to change the protocol, which needs TLS here"
        except httptools.HttpParserError:
            self._problem = self._problem or "it does not speak HTTP"
        if self._unjudged > LARGEST:
            self._problem = self._problem or "a head of its requests is too long"
        if self._problem:
            raise NotHTTP(self._problem)

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._hosts.clear()
        self._target = b""
        self._in_head = True

    def on_url(self, part: bytes) -> None:
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"host":
            self._hosts.append(value)
            if not self._in_head:
                self._problem = "it names a host after its request"

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._unjudged = 0
        if len(self._hosts) != 1:
            self._problem = self._problem or "its request does not name exactly one host"
        elif not self._target.startswith(b"/") and self._target != b"*":
            self._problem = self._problem or "its request is one for a proxy"
        else:
            self._judge(self._hosts[0])
        self.begun = not self._problem

    def on_body(self, part: bytes) -> None:
        self._unjudged = 0

    def on_message_complete(self) -> None:
        self._unjudged = 0

    def _judge(self, said: bytes) -> None:
        host, _, port = said.decode("latin-1").lower().partition(":")
        if (port and port != "80") or not self._fits(host):
            self._problem = self._problem or f"its request is for {host[:80]!r}"
