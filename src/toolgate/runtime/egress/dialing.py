"""Connects the gateway to a host that a server may reach: resolved here, and connected to what was checked here."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from toolgate.model.addresses import PRIVATE, refused_as
from toolgate.model.grant import USUAL, Grant

__all__ = ["Dial", "NotReached", "Resolve", "Resolver", "checked", "dial", "reach"]

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""The addresses of a name. Raises OSError."""
Dial = Callable[[str, int], Awaitable[socket.socket]]
"""A connected socket that does not block, for an address (never a name) and a port. Raises OSError."""

_MOST_ADDRESSES: Final = 8
_THREADS: Final = 4
_A_TRY: Final = 4.0
"""Seconds for one address while there are others."""


class NotReached(OSError):
    """Its text is a sentence for the server's log."""


class Resolver:
    """The machine's own way to resolve names. Its threads are its own: a server that asks for names whose servers never
    answer keeps nobody waiting but itself."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None

    async def __call__(self, name: str) -> Sequence[str]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, "egress-names")
        found = await asyncio.get_running_loop().run_in_executor(self._threads, _look_up, name)
        return list(dict.fromkeys(found))

    def close(self) -> None:
        if self._threads:
            self._threads.shutdown(wait=False, cancel_futures=True)


async def reach(grant: Grant, name: str, port: int, *, resolve: Resolve, dial: Dial, deadline: float) -> socket.socket:
    """A connection to `name`, which `grant` allows. Raises NotReached; `deadline` is in seconds."""
    try:
        async with asyncio.timeout(deadline):
            allowed = (
                [grant.address] if grant.address else checked(name, port, await resolve(name), private=grant.private)
            )
            return await _first(allowed, port, dial)
    except TimeoutError:
        raise NotReached(f"{name}:{port} was not reached within {deadline:g} s") from None
    except NotReached:
        raise
    except OSError as error:
        raise NotReached(f"{name}:{port} was not reached: {error.strerror or error}") from error


def checked(name: str, port: int, found: Sequence[str], *, private: bool) -> list[IPv4Address | IPv6Address]:
    """The addresses of `found` that may be connected to. Raises NotReached where there are none, with what to do."""
    addresses = [ip_address(each) for each in found[:_MOST_ADDRESSES]]
    kinds = {address: refused_as(address) for address in addresses}
    allowed = [each for each in addresses if not kinds[each] or (private and kinds[each] == PRIVATE)]
    if allowed:
        return allowed
    if not addresses:
        raise NotReached(f"{name} was not reached: it has no address")
    address, kind = next(iter(kinds.items()))
    where = name if port in USUAL else f"{name}:{port}"
    advice = {
        PRIVATE: f"; where that is meant: `network: [private:{where}]`",
        "loopback": f"; where a program on this machine is meant: `network: [127.0.0.1:{port}]`",
    }.get(kind, "")
    raise NotReached(f"{name} was not reached: its address {address} is not public but {kind}{advice}")


async def dial(address: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(made, (address, port))
    except BaseException:
        made.close()
        raise
    return made


async def _first(addresses: Sequence[IPv4Address | IPv6Address], port: int, dial: Dial) -> socket.socket:
    for address in addresses[:-1]:
        try:
            async with asyncio.timeout(_A_TRY):
                return await dial(str(address), port)
        except OSError:  # the next one may answer; the last one's error is told
            continue
    return await dial(str(addresses[-1]), port)


def _look_up(name: str) -> list[str]:
    return [str(each[4][0]) for each in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]
