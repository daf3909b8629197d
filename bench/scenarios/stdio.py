"""Servers over stdio through the gateway, and what they can do by themselves; and one slow call among quick ones."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from bench.child import Child, started
from bench.cores import move
from bench.gateway import Gateway
from bench.load import Load, load
from bench.measure import ratio
from bench.pipes import EVERYTHING, SDK_SERVER, Pipe, stdio_stub
from bench.rig import Rig
from bench.table import AtLeast, AtMost, Row, Table, middle, quantile
from bench.wire import Caller, Connection, call, connected

WIDTH = 32


@dataclass(frozen=True)
class Kind:
    """A server, a tool of it, and what the tool wants. `is_real`: the bar is for servers that somebody uses."""

    name: str
    entry: dict[str, Any]
    tool: str
    arguments: dict[str, str] = field(default_factory=lambda: {"text": "hello"})
    is_real: bool = True


async def run(rig: Rig) -> list[Table]:
    kinds = [Kind("stub", stdio_stub(20, "legacy"), "tool-0", is_real=False)]
    notes = rig.cores.notes()
    if EVERYTHING.exists() and shutil.which("node"):
        entry = {"command": "node", "args": [str(EVERYTHING)]}
        kinds.append(Kind("everything", entry, "echo", {"message": "hello"}))
    else:
        notes.append("npm server-everything is not installed: make parts")
    if SDK_SERVER.exists():
        kinds.append(Kind("time", {"command": str(SDK_SERVER)}, "get_current_time", {"timezone": "UTC"}))
    else:
        notes.append("mcp-server-time is not installed: make parts")
    tables = [await _throughput(rig, kind) for kind in kinds]
    tables.append(await _slow_among_quick(rig))
    tables[0].notes += notes
    return tables


async def _throughput(rig: Rig, kind: Kind) -> Table:
    """The server runs on the core of servers in both; those who ask it on that of load, the gateway on its own."""
    params = {"name": kind.tool, "arguments": kind.arguments}
    direct: list[Load] = []
    through: list[Load] = []
    cpu: list[float] = []
    async with _alone(rig, kind) as pipe, rig.everything_on({kind.name: kind.entry}) as running:
        _move_children(running, rig.cores.server)
        caller = running.caller()
        request = caller.request("tools/call", {**params, "name": f"{kind.name}__{kind.tool}"})
        await pipe.load("tools/call", params, WIDTH, 1)
        await load(caller, request, WIDTH, 1)
        for _ in range(rig.plan.rounds):
            direct.append(await pipe.load("tools/call", params, WIDTH, rig.plan.seconds))
            before = running.child.cpu()
            through.append(await load(caller, request, WIDTH, rig.plan.seconds))
            cpu.append((running.child.cpu() - before) / through[-1].requests * 1e6)
    rates = [taken.rate for taken in direct], [taken.rate for taken in through]
    rows = [
        Row("the server alone, rate", rates[0], "/s"),
        Row("gateway, rate", rates[1], "/s"),
        Row("gateway, CPU a request", cpu),
        Row("gateway of the server alone", ratio(rates[1], rates[0]), "x", AtLeast(0.8) if kind.is_real else None),
    ]
    failed = sum(taken.failed for taken in through)
    notes = [f"{failed} requests failed"] if failed else []
    if not kind.is_real:
        notes.append("the stub answers in less time than it takes to parse an HTTP request, as no real server does")
    return Table(f"tools/call over stdio, {kind.name}, {WIDTH} at once", rows, notes)


@asynccontextmanager
async def _alone(rig: Rig, kind: Kind) -> AsyncIterator[Pipe]:
    command = [kind.entry["command"], *kind.entry.get("args", ())]
    async with started(command, rig.room(kind.name), rig.cores.server, pipes=True) as child:
        pipe = Pipe(child.process)
        await pipe.greet()
        yield pipe
        await pipe.close()


def _move_children(running: Gateway, core: int) -> None:
    for process in Child(running.child.process, running.child.log).below():
        move(process.pid, core)


async def _slow_among_quick(rig: Rig) -> Table:
    """A call of half a second is under way on the same pipe all the time while quick ones are timed, or none is."""
    alone: list[float] = []
    beside: list[float] = []
    async with rig.everything_on({"stub": stdio_stub(20)}) as running:
        _move_children(running, rig.cores.server)
        caller = running.caller()
        await _quick(caller, 0.5)
        for _ in range(rig.plan.rounds):
            alone.append(quantile(await _quick(caller, rig.plan.seconds), 0.99))
            slow = asyncio.create_task(_slow(caller))
            beside.append(quantile(await _quick(caller, rig.plan.seconds), 0.99))
            slow.cancel()
            await asyncio.gather(slow, return_exceptions=True)
    rows = [
        Row("p99 of quick calls alone", alone),
        Row("p99 of quick calls beside a slow one", beside),
        Row("added by the slow one", [max(0.0, middle(beside) - middle(alone))], "µs", AtMost(5_000)),
    ]
    return Table("one call of 0.5 s on the same pipe", rows)


async def _quick(caller: Caller, seconds: float) -> list[float]:
    """Microseconds of each."""
    taken = []
    request = caller.request(*call("stub__tool-0"))
    end = time.perf_counter() + seconds
    async with connected(caller) as connection:
        while (start := time.perf_counter()) < end:
            assert (await connection.ask(request)).succeeded
            taken.append((time.perf_counter() - start) * 1e6)
    return taken


async def _slow(caller: Caller) -> None:
    connection = await Connection.open(caller)
    try:
        while True:
            assert (await connection.ask(caller.request(*call("stub__slow")))).succeeded
    finally:
        connection.close()
