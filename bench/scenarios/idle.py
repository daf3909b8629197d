"""Many streams on which nothing happens: memory, the time to open them, and how long news take to reach them all."""

import asyncio
import resource
import time

from bench.gateway import Gateway
from bench.rig import Rig
from bench.table import AtMost, Row, Table
from bench.wire import Caller, Connection, connected, opened

AT_ONCE = 50  # being opened
PER_ADDRESS = 20_000  # an address of ours has some 28,000 ports
PATIENCE = 60.0  # seconds
SPARE = 500  # files that a process has besides the streams
LISTEN = ("subscriptions/listen", {"notifications": {"toolsListChanged": True}})


class Crowd:
    """Open streams, and how many of them heard of the change."""

    def __init__(self) -> None:
        self.connections: list[Connection] = []
        self.told = 0
        self.all_told = asyncio.Event()
        self.lost = 0

    def heard(self, data: bytes) -> None:
        if not data:
            self.lost += 1
        elif b"tools/list_changed" in data:
            self.told += 1
            if self.told >= len(self.connections):
                self.all_told.set()

    async def join(self, caller: Caller, number: int, first: asyncio.Semaphore) -> None:
        async with first:
            caller = await opened(caller)
            connection = await Connection.open(caller, f"127.0.0.{2 + number // PER_ADDRESS}")
            begun = asyncio.Event()

            def answered(data: bytes) -> None:
                assert data.startswith(b"HTTP/1.1 200"), data[:300]
                connection.heard = self.heard
                begun.set()

            connection.heard = answered
            connection.send(caller.request(*LISTEN) if caller.era == "modern" else caller.get())
            await asyncio.wait_for(begun.wait(), PATIENCE)
            self.connections.append(connection)

    def leave(self) -> None:
        for connection in self.connections:
            connection.heard = None
            connection.close()


async def run(rig: Rig) -> list[Table]:
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE
    count = min(rig.plan.streams, allowed)
    tables = [
        await _streams(rig, count, "modern", "listen streams"),
        await _streams(rig, count, "legacy", "GET streams of sessions"),
    ]
    if count < rig.plan.streams:
        tables[0].notes.append(f"fewer than {rig.plan.streams:,}, since a process may have {allowed + SPARE:,} files")
    return tables


async def _streams(rig: Rig, count: int, era: str, what: str) -> Table:
    async with rig.stub("town", 0, 20) as (url, _), rig.everything_on({"stub": {"url": url}}) as running:
        empty = running.child.memory()
        crowd = Crowd()
        first = asyncio.Semaphore(AT_ONCE)
        start = time.perf_counter()
        await asyncio.gather(*(crowd.join(running.caller(era), number, first) for number in range(count)))
        took = time.perf_counter() - start
        await asyncio.sleep(1)
        held = running.child.memory()
        before = running.child.cpu()
        await asyncio.sleep(3)
        idle = (running.child.cpu() - before) / 3 * 1e3
        told = await _told(crowd, running, url)
        crowd.leave()
        await asyncio.sleep(1)
        after = running.child.memory()
    rows = [
        Row("memory with all open (PSS)", [held], "MB", AtMost(400)),
        Row("a stream", [(held - empty) / count * 1e3], "kB"),
        Row("memory before", [empty], "MB"),
        Row("memory after all left", [after], "MB"),
        Row("to open all", [took], "s"),
        Row("processor time while nothing happens", [idle], "ms/s"),
        Row("until all heard of a change", told, "ms"),
    ]
    notes = [f"{crowd.lost} streams were lost"] if crowd.lost else []
    if not told:
        notes.append(f"{crowd.told} of {count} heard of the change within {PATIENCE:.0f} s")
    return Table(f"{count:,} idle {what}", rows, notes)


async def _told(crowd: Crowd, running: Gateway, url: str) -> list[float]:
    start = time.perf_counter()
    await change(url)
    try:
        await asyncio.wait_for(crowd.all_told.wait(), PATIENCE)
    except TimeoutError:
        return []
    return [(time.perf_counter() - start) * 1e3]


async def change(url: str) -> None:
    """Give a server of the town one tool more."""
    caller = Caller(url)
    path = "/" + url.split("/", 3)[3].removesuffix("mcp") + "change"
    async with connected(caller) as connection:
        await connection.ask(f"POST {path} HTTP/1.1\r\nHost: town\r\nContent-Length: 0\r\n\r\n".encode())
