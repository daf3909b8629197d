"""A thousand servers with twenty tools each: lists, calls, memory, and what one server's change costs the others."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from bench.gateway import Gateway
from bench.load import load
from bench.measure import added
from bench.rig import Rig
from bench.scenarios.idle import LISTEN, change
from bench.stubs.town import address
from bench.table import AtMost, Row, Table, quantile
from bench.wire import Caller, Connection, call, connected

TOOLS = 20
SPECIAL = 5  # tools that every stub has besides
PAUSE = 0.001  # seconds between two calls of those who watch for stalls
PATIENCE = 30.0


@dataclass
class Watched:
    """Calls one after the other while something happens: milliseconds of each."""

    taken: list[float] = field(default_factory=list)


async def run(rig: Rig) -> list[Table]:
    count = rig.plan.servers
    async with rig.stub("town", 0, TOOLS - SPECIAL, count) as (url, _):
        base, port = url.rsplit("/", 2)[0], urlsplit(url).port
        few = {"s0": {"url": url}}
        many = {f"s{number}": {"url": f"http://{address(number)}:{port}/{number}/mcp"} for number in range(count)}
        async with rig.everything_on(few) as alone:
            start = time.perf_counter()
            async with rig.everything_on(many) as running:
                ready = time.perf_counter() - start
                rows = [Row("until all are ready", [ready], "s")]
                memory = running.child.memory()
                rows += await _lists(rig, running, count)
                rows += await _calls(rig, alone, running)
                rows += await _changes(rig, running, base, count)
                rows.append(Row("memory (PSS), once all are ready", [memory], "MB", AtMost(300)))
                rows.append(Row("memory (PSS), after all this", [running.child.memory()], "MB", AtMost(300)))
    notes = [*rig.cores.notes(), "all servers are hosts of one process, whose time is part of a start's"]
    return [Table(f"{count:,} servers with {count * TOOLS:,} tools", rows, notes)]


async def _lists(rig: Rig, running: Gateway, count: int) -> list[Row]:
    """Every page, several times over."""
    taken: list[float] = []
    whole: list[float] = []
    caller = running.caller()
    async with connected(caller) as connection:
        for _ in range(rig.plan.rounds):
            cursor, tools, start = "", 0, time.perf_counter()
            while True:
                params = {"cursor": cursor} if cursor else {}
                asked = time.perf_counter()
                answer = await connection.ask(caller.request("tools/list", params))
                taken.append((time.perf_counter() - asked) * 1e3)
                result = json.loads(answer.body)["result"]
                tools += len(result["tools"])
                if not (cursor := result.get("nextCursor", "")):
                    break
            whole.append((time.perf_counter() - start) * 1e3)
            assert tools >= count * TOOLS, tools
    return [
        Row("a page of tools/list, p50", [quantile(taken, 0.5)], "ms", AtMost(5)),
        Row("a page of tools/list, p99", [quantile(taken, 0.99)], "ms"),
        Row("all pages", whole, "ms"),
    ]


async def _calls(rig: Rig, alone: Gateway, running: Gateway) -> list[Row]:
    """Through a gateway with this one server, and through that with all."""
    p50: dict[str, list[float]] = {"alone": [], "among": []}
    for _ in range(rig.plan.rounds):
        for label, gateway in (("alone", alone), ("among", running)):
            caller = gateway.caller()
            taken = await load(caller, caller.request(*call("s0__tool-0")), 1, rig.plan.seconds)
            assert not taken.failed, taken
            p50[label].append(taken.p50)
    return [
        Row("a call, p50, one server", p50["alone"]),
        Row("a call, p50, all servers", p50["among"]),
        Row("added by the others", added(p50["among"], p50["alone"]), "µs", AtMost(20)),
    ]


async def _changes(rig: Rig, running: Gateway, base: str, count: int) -> list[Row]:
    """From a server's word that its list changed to ours, with the new tool in it; and the longest call meanwhile."""
    rebuilt, stalls, quiet = [], [], []
    async with _listening(running.caller()) as heard:
        for number in range(1, rig.plan.rounds + 1):
            async with _watching(running.caller()) as watched:
                await asyncio.sleep(1)
            quiet.append(max(watched.taken))
            heard.clear()
            async with _watching(running.caller()) as watched:
                start = time.perf_counter()
                await change(f"{base}/{number % count}/mcp")
                await asyncio.wait_for(heard.wait(), PATIENCE)
                rebuilt.append((time.perf_counter() - start) * 1e3)
                await asyncio.sleep(0.5)
            stalls.append(max(watched.taken))
    return [
        Row("from a server's change to ours", rebuilt, "ms", AtMost(50)),
        Row("the longest call of a quiet second", quiet, "ms"),
        Row("the longest call during the change", stalls, "ms", AtMost(10)),
    ]


@asynccontextmanager
async def _listening(caller: Caller) -> AsyncIterator[asyncio.Event]:
    """Set when the gateway says that its list changed."""
    changed, begun = asyncio.Event(), asyncio.Event()

    def heard(data: bytes) -> None:
        begun.set()
        if b"tools/list_changed" in data:
            changed.set()

    connection = await Connection.open(caller)
    connection.heard = heard
    connection.send(caller.request(*LISTEN))
    await asyncio.wait_for(begun.wait(), PATIENCE)
    try:
        yield changed
    finally:
        connection.heard = None
        connection.close()


@asynccontextmanager
async def _watching(caller: Caller) -> AsyncIterator[Watched]:
    watched = Watched()
    request = caller.request(*call("s0__tool-0"))

    async def work() -> None:
        async with connected(caller) as connection:
            while True:
                start = time.perf_counter()
                assert (await connection.ask(request)).succeeded
                watched.taken.append((time.perf_counter() - start) * 1e3)
                await asyncio.sleep(PAUSE)

    working = asyncio.create_task(work())
    try:
        yield watched
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
