"""From the command to listening with fifty servers, and what an idle gateway holds."""

import asyncio
import time

from bench.document import plain
from bench.gateway import gateway
from bench.pipes import stdio_stub
from bench.rig import Rig
from bench.table import AtMost, Row, Table

SERVERS = 50
REST = 2.0  # seconds until idle means idle


async def run(rig: Rig) -> list[Table]:
    return [await _start(rig), await _idle(rig)]


async def _start(rig: Rig) -> Table:
    listening, ready = [], []
    document = plain({f"stub-{number}": stdio_stub() for number in range(SERVERS)})
    for _ in range(rig.plan.starts):
        start = time.perf_counter()
        every = (rig.cores.measured, rig.cores.load, *rig.cores.spare)
        async with gateway(document, rig.room("gateway"), every) as running:
            listening.append(running.listened_after * 1e3)
            start = time.perf_counter() - running.listened_after
            await running.settled()
            ready.append((time.perf_counter() - start) * 1e3)
    rows = [Row("until it listens", listening, "ms", AtMost(1_000)), Row("until all are ready", ready, "ms")]
    return Table(f"toolgate up with {SERVERS} stdio servers, on all cores", rows)


async def _idle(rig: Rig) -> Table:
    memory, cpu = [], []
    document = {"version": 1, "sources": []}  # which serves the demonstration
    for _ in range(rig.plan.starts):
        async with gateway(document, rig.room("gateway"), rig.cores.measured) as running:
            await running.settled()
            await asyncio.sleep(REST)
            before = running.child.cpu()
            await asyncio.sleep(REST)
            cpu.append((running.child.cpu() - before) / REST * 1e3)
            memory.append(running.child.memory())
    rows = [Row("memory (PSS)", memory, "MB", AtMost(80)), Row("processor time", cpu, "ms/s")]
    return Table("toolgate up with the demonstration server, idle; the server itself not counted", rows)
