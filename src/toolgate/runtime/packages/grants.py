"""The hosts of registries, as `network:` of a profile writes them."""

import asyncio
import ipaddress
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from toolgate.model.addresses import PRIVATE, refused_as

__all__ = ["grants", "is_inside", "mirrored"]

_WEB: Final = (443, 80)
_LOOPBACK: Final = "127.0.0.1"


def grants(registries: Iterable[str], others: Iterable[str] = ()) -> tuple[str, ...]:
    """All are `host` or `host:port`. A registry may be in this network, since the operator named it; where it sends us
    for archives may not."""
    named = [grant for host in registries for grant in _named(host)]
    return tuple(dict.fromkeys((*named, *(host for host in others if not is_inside(host)))))


async def mirrored(registries: Iterable[str]) -> bool:
    """Whether a registry has private addresses here, as behind a mirror, where its archives have such, too."""
    loop = asyncio.get_running_loop()
    for host in registries:
        with suppress(OSError):
            found = await loop.getaddrinfo(urlsplit(f"//{host}").hostname, None)
            if any(refused_as(ipaddress.ip_address(address[0])) == PRIVATE for *_, address in found):
                return True
    return False


def is_inside(host: str) -> bool:
    """Whether it is surely no public host."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return not ipaddress.ip_address(name).is_global
    except ValueError:
        return "." not in name or name.endswith((".localhost", ".internal", ".local"))


def _named(host: str) -> Iterator[str]:
    parts = urlsplit(f"//{host}")
    name = _LOOPBACK if parts.hostname == "localhost" else parts.hostname or ""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        yield f"private:{host}"
        return
    if address.version == 6:
        return  # such a host has to be given a name
    ports = [parts.port] if parts.port else _WEB
    yield from (f"{name}:{port}" for port in ports)
