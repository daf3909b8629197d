"""`Host` and `Origin`, looked at before all else: a web page must not reach a gateway on somebody's machine by giving
its own name another address (2026-07-28, Streamable HTTP, Security & Endpoint)."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from toolgate.errors import Forbidden
from toolgate.http.headers import Headers
from toolgate.identity.access import is_loopback

__all__ = ["Hosts"]

_WELCOME: Final = 1_024  # pairs of Host and Origin that were looked at and need not be again
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Hosts:
    """On loopback only loopback names are answered, and those that are allowed by name. Elsewhere a caller needs a
    key, which a foreign page does not have; `allowed_hosts` narrows it further."""

    def __init__(self, listen: str, allowed_hosts: Iterable[str] = (), allowed_origins: Iterable[str] = ()) -> None:
        named = frozenset(host.lower() for host in allowed_hosts)
        self._hosts = named | _LOOPBACK | {listen} if is_loopback(listen) else named
        self._welcome: set[tuple[bytes | None, bytes | None]] = set()
        self._origins = frozenset(origin.lower().rstrip("/") for origin in allowed_origins)

    def check(self, headers: Headers) -> None:
        """Raises `Forbidden`."""
        named = headers.get(b"host"), headers.get(b"origin")
        if named not in self._welcome or headers.repeats:
            self._look(headers)
            if len(self._welcome) < _WELCOME and not headers.repeats:
                self._welcome.add(named)

    def _look(self, headers: Headers) -> None:
        hosts = headers.all(b"host")
        if len(hosts) != 1:
            raise Forbidden("a request names one Host")
        host = _name(hosts[0].decode("latin-1"))
        if self._hosts and host not in self._hosts:
            raise Forbidden("this Host is not served here", hint="add it to access.allowed_hosts if it should be")
        for origin in headers.all(b"origin"):
            self._check_origin(origin.decode("latin-1").lower(), host)

    def _check_origin(self, origin: str, host: str) -> None:
        if origin in self._origins:
            return
        named = _name(origin.partition("://")[2])
        if not named or (named not in self._hosts if self._hosts else named != host):
            raise Forbidden("this Origin is not allowed", hint="add it to access.allowed_origins if it should be")


def _name(authority: str) -> str:
    """The host of `host:port`, without brackets; empty where it is malformed."""
    try:
        return urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return ""
