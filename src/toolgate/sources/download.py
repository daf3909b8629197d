"""GET over HTTP, bounded in size and time. It blocks: for the command line, and for threads."""

from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from time import monotonic
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

from toolgate import __version__

__all__ = ["Downloaded", "Undownloadable", "download"]

_HOPS: Final = 5
_CHUNK: Final = 65_536
_MOVED: Final = frozenset({301, 302, 303, 307, 308})


class Undownloadable(Exception):
    """`reason` is for a person."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Downloaded:
    status: int
    body: bytes


def download(url: str, *, limit: int, timeout: float, accept: str = "*/*") -> Downloaded:
    """What a URL answers, of at most `limit` bytes, within `timeout` seconds in all. Redirections are followed, never
    from https to http; http is for this machine alone. Raises `Undownloadable`."""
    end = monotonic() + timeout
    for _ in range(_HOPS):
        address = _address(url)
        try:
            status, moved, body = _asked(address, limit, end, accept)
        except (OSError, HTTPException) as error:
            raise Undownloadable(f"{address.netloc} does not answer: {error or type(error).__name__}") from None
        if status not in _MOVED or not moved:
            return Downloaded(status, body)
        url = urljoin(url, moved)
        if address.scheme == "https" and urlsplit(url).scheme != "https":
            raise Undownloadable(f"{address.netloc} leads to an address without TLS")
    raise Undownloadable(f"{urlsplit(url).netloc} leads on and on")


def _address(url: str) -> SplitResult:
    try:
        address = urlsplit(url)
        known = address.scheme in {"http", "https"} and bool(address.hostname) and address.port != 0
    except ValueError:
        known = False
    if not known or not url.isascii() or any(letter <= " " for letter in url):
        raise Undownloadable("this is not an http:// or https:// address")
    if address.scheme == "http" and not _is_here(address.hostname or ""):
        raise Undownloadable(f"{address.netloc} is asked over https:// alone")
    return address


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _asked(address: SplitResult, limit: int, end: float, accept: str) -> tuple[int, str, bytes]:
    kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
    connection = kind(address.hostname or "", address.port, timeout=_left(end))
    path = (address.path or "/") + (f"?{address.query}" if address.query else "")
    try:
        connection.request("GET", path, headers={"Accept": accept, "User-Agent": f"toolgate/{__version__}"})
        response = connection.getresponse()
        if response.status in _MOVED:
            return response.status, response.getheader("Location") or "", b""
        body = bytearray()
        while chunk := response.read1(_CHUNK):
            body += chunk
            if len(body) > limit:
                raise Undownloadable(f"{address.netloc} answers with more than {limit // 2**20 or 1} MiB")
            if connection.sock is not None:
                connection.sock.settimeout(_left(end))
        return response.status, "", bytes(body)
    finally:
        connection.close()


def _left(end: float) -> float:
    """Raises `TimeoutError`."""
    left = end - monotonic()
    if left <= 0:
        raise TimeoutError("it takes too long")
    return left
