"""Calls as the front makes them, and a server's end of the road that a test can hold back."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from toolgate.catalog.snapshot import Route, Snapshot
from toolgate.model.principal import LOCAL, Principal
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol.eras import Era

__all__ = ["End", "Quiet", "a_call", "a_tool", "key"]


class Quiet:
    """A client that hears everything and answers every question with yes."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def send(self, message: bytes) -> bool:
        self.heard.append(message)
        return True

    async def ask(self, method: str, params: bytes | None) -> Reply:
        return Reply(b'{"action":"accept"}')


def key(name: str, *teams: str) -> Principal:
    return Principal(f"key:{name}", name, tuple(sorted(teams)))


def a_tool(name: str = "read", server: str = "docs", **members: Any) -> Route:
    return Route(server, name, msgspec.json.encode({"name": name, **members}))


def a_call(
    route: Route | None = None,
    arguments: str | None = "{}",
    *,
    principal: Principal = LOCAL,
    method: str = "tools/call",
    more: Mapping[str, Raw] | None = None,
    **changes: Any,
) -> Call:
    route = route or a_tool()
    member = "uri" if method == "resources/read" else "name"
    params = {member: Raw(msgspec.json.encode(route.name)), "_meta": Raw(b"{}"), **(more or {})}
    if arguments is not None and method == "tools/call":
        params["arguments"] = Raw(arguments.encode())
    call = Call(
        id="1",
        principal=principal,
        method=method,
        params=params,
        meta={},
        era=Era.MODERN,
        version="2026-07-28",
        route=route,
        snapshot=Snapshot(0, {}),
        channel=Quiet(),
        timeout=5,
    )
    return call.with_(**changes) if changes else call


class End:
    """Answers each call with the number that it is, or as it is told; waits while it is held."""

    def __init__(self, *answers: Reply | Exception) -> None:
        self.calls: list[Call] = []
        self.arrived = asyncio.Semaphore(0)
        self.let_go = asyncio.Event()
        self.let_go.set()
        self._answers = list(answers)

    def hold(self) -> None:
        self.let_go.clear()

    async def came(self, count: int = 1) -> None:
        """Wait until so many more calls have come."""
        async with asyncio.timeout(5):
            for _ in range(count):
                await self.arrived.acquire()

    async def __call__(self, call: Call) -> Reply:
        self.calls.append(call)
        number = len(self.calls)
        self.arrived.release()
        await self.let_go.wait()
        if self._answers:
            answer = self._answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        return Reply(b'{"content":[],"number":%d}' % number)
