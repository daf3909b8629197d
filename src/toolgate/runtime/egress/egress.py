"""The way out of a sandbox that has no network: to the hosts that it was granted, by name, through the gateway.

Nothing of it is inside but names. `hosts` and `resolv` go to /etc/hosts and /etc/resolv.conf of the sandbox (with
`hosts: files dns` in /etc/nsswitch.conf); the resolver that they name is the gateway, and gives each granted name an
address of 127.0.0.0/8 of its own. At those addresses the gateway listens, through sockets that were bound in the
sandbox's network while its process was still held (`entrance`). So a server needs no proxy, variable or certificate;
whatever it runs connects as always. There is no route to anything else: other addresses are unreachable, and other
names do not exist. No question leaves the gateway before a connection to a granted name is made.

What is granted, and how private hosts are, is said in `model.grant`. For each connection, in this order:

1. The address that it arrived at says which name it is for; that name has to be granted at that port.
2. At port 443 the client's first message has to be TLS for that very name (SNI), at port 80 it has to be HTTP/1 and
   each request on the connection for that very name (Host). At other ports, which an operator named one by one, what is
   spoken is not looked at. A name inside of encryption (Encrypted Client Hello, Host in HTTPS) can not be seen: the
   outer one has to be granted itself, and what shares a front with a granted host is reached as that front allows. So
   it is with a second ClientHello, after a retry that the host itself asks for.
3. The gateway resolves the name, checks every address (`model.addresses`), and connects to one that it checked. A name
   that changes its mind, or a redirect, which is another connection, meets the same three steps.

It is for TCP: over UDP nothing but names is answered, so HTTP/3 falls back to what comes before it.

Each end of a sandbox's life ends it: `close`, or the end of the process that was entered.
"""

import asyncio
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from toolgate.model.grant import Grant, host_name
from toolgate.runtime.egress import dns
from toolgate.runtime.egress.dialing import Dial, NotReached, Resolve, Resolver, dial, reach
from toolgate.runtime.egress.doors import Doors
from toolgate.runtime.egress.entering import NotEntered, bind_inside
from toolgate.runtime.egress.grants import Grants
from toolgate.runtime.egress.names import Names
from toolgate.runtime.egress.opening import Refused, opening
from toolgate.runtime.egress.refusals import Refusals, Tell
from toolgate.runtime.egress.relay import relay, reset
from toolgate.runtime.egress.resolver import Datagrams, serve_stream

__all__ = ["Egress", "Limits"]

_LOCALHOST: Final = "localhost"
_AN_ADDRESS: Final = "127.1.0.0"
"""Of the sandbox, beside 127.0.0.1: with that alone glibc takes a machine for one without IPv4 (AI_ADDRCONFIG)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one sandbox. Times are seconds. Each connection has at most 64 KiB under way in each direction."""

    connections: int = 128
    names: int = 1024
    """Of those that wildcards grant, how many have an address at a time."""
    opening: float = 10.0
    """Until the client has said which host it wants."""
    connect: float = 10.0
    """Until that is resolved and connected to."""
    idle: float = 900.0


class Egress:
    """For one sandbox: make it, put `hosts` and `resolv` inside, `enter` while its process is held, `close` at its end.

    `tell` gets a sentence for the server's log when something was refused or not reached: a sentence once, and at most
    some dozens. Raises ValueError where an entry of `allowed` is none (`model.grant.Grant.parse`).
    """

    def __init__(
        self,
        allowed: Sequence[str],
        tell: Tell,
        *,
        resolve: Resolve | None = None,
        dial: Dial = dial,
        limits: Limits | None = None,
    ) -> None:
        self._grants = Grants(allowed)
        self._limits = limits or Limits()
        self._names = Names(self._grants.names, self._limits.names)
        self._refusals = Refusals(tell)
        self._resolver = Resolver()
        self._resolve = resolve or self._resolver
        self._dial = dial
        self._doors = Doors(self._limits.connections)
        self._datagrams: Datagrams | None = None
        self._process = -1
        self._closed = False

    @property
    def hosts(self) -> bytes:
        """The file /etc/hosts of the sandbox."""
        fixed = [(_LOCALHOST, "127.0.0.1"), *self._names.fixed()]
        return "".join(f"{address} {name}\n" for name, address in fixed).encode()

    @property
    def resolv(self) -> bytes:
        """The file /etc/resolv.conf of the sandbox."""
        return b"nameserver 127.0.0.1\noptions timeout:2 attempts:2\n"

    async def enter(self, pid: int) -> None:
        """Begin to listen in the network namespace of `pid`, which runs nothing of the server yet; once. Raises
        NotEntered, an OSError, when that process is gone, has no network of its own, or belongs to another user."""
        try:
            self._process = os.pidfd_open(pid)
        except OSError as error:
            raise NotEntered(f"process {pid} can not be entered: {error.strerror}") from error
        literals = [each for each in self._grants.addresses if not each.is_loopback]
        try:
            bound = await bind_inside(pid, self._grants.ports, [_AN_ADDRESS, *literals])
        except BaseException:
            self._shut()
            raise
        if self._closed:
            bound.close()
            raise NotEntered(f"process {pid} was not entered: its sandbox was closed")
        asyncio.get_running_loop().add_reader(self._process, self._shut)
        for listener in bound.listeners:
            self._doors.open(listener, self._serve)
        self._doors.open(bound.stream, self._serve_names)
        self._datagrams = Datagrams(bound.datagrams, self._answer)

    async def close(self) -> None:
        """End all connections. When it returns no task or descriptor is left. May be called more than once."""
        self._shut()
        await self._doors.gone()

    def _shut(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._doors.shut()
        self._resolver.close()
        if self._datagrams:
            self._datagrams.shut()
        if self._process >= 0:
            asyncio.get_running_loop().remove_reader(self._process)
            os.close(self._process)

    def _answer(self, query: bytes) -> bytes | None:
        return dns.answer(query, self._look_up)

    def _look_up(self, asked: str) -> str | None:
        if asked == _LOCALHOST:
            return "127.0.0.1"
        name = host_name(asked)
        if name is None:
            return None
        if self._grants.know(name):
            return self._names.address(name)
        if "." in name and not name.endswith(".arpa"):
            self._refusals.unknown(name)
        return None

    async def _serve_names(self, connection: socket.socket) -> None:
        await serve_stream(connection, self._answer)

    async def _serve(self, client: socket.socket) -> None:
        address, port = client.getsockname()
        name = self._names.name(address) or address
        try:
            grant = self._grants.at(name, port)
            if grant:
                await self._let_out(client, grant, name, port)
                return
            self._refusals.unknown(f"{name}:{port}")
        except Refused as refused:
            self._refusals.say(f"a connection to {name}:{port} was refused: {refused}")
        except NotReached as error:
            self._refusals.say(str(error))
        except OSError:  # one of the two sides broke it off or fell silent, and the other is told by the reset
            pass
        except asyncio.CancelledError:
            reset(client)
            raise
        reset(client)

    async def _let_out(self, client: socket.socket, grant: Grant, name: str, port: int) -> None:
        async with asyncio.timeout(self._limits.opening):
            opened = await opening(client, port, lambda said: self._fits(said, grant, name, port))
        if opened is None:
            return
        said, judge = opened
        host = await reach(grant, name, port, resolve=self._resolve, dial=self._dial, deadline=self._limits.connect)
        with host:
            async with asyncio.timeout(self._limits.connect):
                await asyncio.get_running_loop().sock_sendall(host, said)
            await relay(client, host, judge, idle=self._limits.idle)

    def _fits(self, said: str, grant: Grant, name: str, port: int) -> bool:
        """At an address, which has no name, a client may give none, or any that was granted."""
        if not grant.address:
            return host_name(said) == name
        if said in {"", name} or (said == _LOCALHOST and grant.address.is_loopback):
            return True
        return self._grants.at(host_name(said) or "", port) is not None
