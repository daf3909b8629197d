"""Who takes part: servers that go on, one that dies, one that hangs, one over stdio whose process is killed."""

import asyncio
import os
import signal
import socket
import struct
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from bench.child import Child
from bench.document import everything_on
from bench.gateway import Gateway
from bench.pipes import stdio_stub
from bench.rig import Rig
from bench.wire import Caller, Connection, call, connected
from tests.running import free_port

__all__ = ["Cast", "Mortal", "Vanishing", "document", "revoked_key_is_refused"]

TOOLS = 5
_NOTICED_WITHIN = 5.0  # seconds until a revoked key must be refused; the gateway promises one


def document(servers: Mapping[str, Any], collector: str) -> dict[str, Any]:
    """Everything on, and no record goes before all are counted."""
    return {**everything_on(servers, collector), "record": {"audit_rows": 1_000_000_000}}


class Mortal:
    """A town that can be killed, comes back under the same address, and can be made to hang."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._port = free_port()
        self._life = AsyncExitStack()
        self._child: Child | None = None
        self.url = f"http://127.0.0.1:{self._port}/0/mcp"

    async def rise(self) -> None:
        _, self._child = await self._life.enter_async_context(self._rig.stub("town", self._port, TOOLS))

    async def die(self) -> None:
        self._signal(signal.SIGKILL)
        await self._life.aclose()

    def hang(self) -> None:
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    async def end(self) -> None:
        if self._child is not None and self._child.process.returncode is None:
            self.go_on()
        await self._life.aclose()

    def _signal(self, number: signal.Signals) -> None:
        assert self._child is not None
        os.kill(self._child.pid, number)


@dataclass(frozen=True)
class Cast:
    steady: Mortal
    dying: Mortal
    hanging: Mortal

    @classmethod
    def of(cls, rig: Rig) -> "Cast":
        return cls(Mortal(rig), Mortal(rig), Mortal(rig))

    @property
    def everyone(self) -> tuple[Mortal, ...]:
        return self.steady, self.dying, self.hanging

    def servers(self) -> dict[str, Any]:
        urls = {"steady": self.steady.url, "dying": self.dying.url, "hanging": self.hanging.url}
        return {**{name: {"url": url} for name, url in urls.items()}, "piped": stdio_stub(TOOLS)}


class Vanishing:
    """Clients that ask for something slow, and are gone before it is there."""

    def __init__(self, caller: Caller) -> None:
        self._request = caller.request(*call("steady__slow"))
        self._caller = caller
        self.gone = 0

    async def one(self) -> None:
        connection = await Connection.open(self._caller)
        connection.send(self._request)
        await asyncio.sleep(0.05)
        assert connection.transport is not None
        if self.gone % 2 and (sock := connection.transport.get_extra_info("socket")) is not None:
            # Every other one is reset rather than closed.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.transport.abort()
        self.gone += 1


async def revoked_key_is_refused(running: Gateway, name: str) -> bool:
    """Make a key, call with it, revoke it, and see it refused; False where one of these fails."""
    key = (await running.keys("create", name, *running.team))["key"]
    caller = Caller(f"{running.url}/mcp", key=key)
    request = caller.request(*call("steady__tool-0"))
    if not await _within(caller, request, 200):
        return False
    await running.keys("revoke", name)
    return await _within(caller, request, 401)


async def _within(caller: Caller, request: bytes, status: int) -> bool:
    loop = asyncio.get_running_loop()
    end = loop.time() + _NOTICED_WITHIN
    while loop.time() < end:
        async with connected(caller) as connection:  # one that was refused is closed
            if (await connection.ask(request)).status == status:
                return True
        await asyncio.sleep(0.05)
    return False
