"""Who may come in, and where the gateway may listen."""

from collections.abc import Callable
from hmac import compare_digest
from ipaddress import ip_address
from typing import Final

from toolgate.errors import ConfigError, Unauthenticated
from toolgate.model.principal import ANYBODY, LOCAL, Principal

__all__ = ["Access", "allows_anonymous", "check_listen", "is_loopback"]

_HINT: Final = "send `Authorization: Bearer tg_…`; `toolgate keys create NAME` makes a key"


class Access:
    """Turns an `Authorization` header into a principal."""

    def __init__(self, keys: Callable[[bytes], Principal], *, anonymous: bool, token: str = "") -> None:
        """`keys` knows API keys. `token` is what this run of the gateway gave to the programs of its own user."""
        self._keys = keys
        self._token = token.encode()
        self.anonymous = anonymous

    def principal(self, authorization: bytes | None) -> Principal:
        """Raises `Unauthenticated`, also where callers without a key are let in: one that sends a wrong key has to be
        told so, not to find itself to be somebody else."""
        if authorization is None:
            if self.anonymous:
                return ANYBODY
            raise Unauthenticated("this gateway asks for a key", hint=_HINT)
        scheme, _, token = authorization.strip().partition(b" ")
        token = token.strip()
        if scheme.lower() != b"bearer" or not token:
            raise Unauthenticated("the Authorization header is not `Bearer` and a key", hint=_HINT)
        if self._token and compare_digest(token, self._token):
            return LOCAL
        return self._keys(token)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address. A name other than `localhost` may lead anywhere: no."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        address = ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def allows_anonymous(host: str, anonymous: str) -> bool:
    """Whether callers without a key are let in at this address; `anonymous` is the setting `access.anonymous`."""
    return anonymous == "local" and is_loopback(host)


def check_listen(host: str, anonymous: str, has_keys: bool) -> None:
    """Raises `ConfigError` where the gateway would be open to others, or closed to everybody."""
    if has_keys or is_loopback(host):
        return
    raise ConfigError(
        f"{host or 'every address'} can be reached from other machines, and there is no key to tell callers by, so "
        + ("everybody" if anonymous == "local" else "nobody")
        + " could call your tools",
        file="listen",
        hint="make a key first (`toolgate keys create NAME`), or listen on 127.0.0.1",
    )
