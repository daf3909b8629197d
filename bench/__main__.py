"""Start-up with fifty servers, a list of a thousand tools, and calls; medians over rounds, with their spread."""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvloop

from bench.table import Row, quantile, show
from bench.wire import HttpLine, Line, StdioLine, latencies
from tests.running import RunningGateway, running_gateway

ROOT = Path(__file__).parents[1]
STUB = [sys.executable, "-I", "-S", str(ROOT / "bench" / "stub.py"), "stdio"]
SERVERS = 50
TOOLS = 1_000
CALL = {"name": "tool-0", "arguments": {"text": "hello"}}


class Plan:
    """How often things are done."""

    def __init__(self, *, quick: bool) -> None:
        self.rounds = 2 if quick else 5
        self.starts = 1 if quick else 5
        self.lists = 50 if quick else 200
        self.calls = 640 if quick else 3_200


@asynccontextmanager
async def gateway(servers: dict[str, Any]) -> AsyncIterator[RunningGateway]:
    with tempfile.TemporaryDirectory() as folder:
        config = {"version": 1, "sources": [], "servers": servers}
        async with running_gateway(config, Path(folder)) as running:
            yield running


def stdio_stub(tools: int = 20) -> dict[str, Any]:
    return {"command": STUB[0], "args": [*STUB[1:], str(tools)]}


@asynccontextmanager
async def http_stub(tools: int) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.stub", "http", str(tools)), stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    try:
        line = await process.stdout.readline()
        yield line.decode().strip()
    finally:
        process.terminate()
        await process.wait()


async def start_up(plan: Plan) -> None:
    listening, ready = [], []
    for _ in range(plan.starts):
        start = time.perf_counter()
        async with gateway({f"stub-{n}": stdio_stub() for n in range(SERVERS)}) as running:
            listening.append((time.perf_counter() - start) * 1e3)
            await running.settled()
            ready.append((time.perf_counter() - start) * 1e3)
    rows = [Row("until it listens", listening, "ms"), Row("until all servers are ready", ready, "ms")]
    show(f"toolgate up with {SERVERS} stdio servers", rows)


async def rounds(plan: Plan, lines: Sequence[Line], count: int) -> tuple[list[float], list[float], list[float]]:
    """p50 and p99 in microseconds, and requests a second, of each round; a first one warms up."""
    await latencies(lines, max(len(lines), count // 10))
    p50, p99, rate = [], [], []
    for _ in range(plan.rounds):
        start = time.perf_counter()
        taken = await latencies(lines, count)
        rate.append(len(taken) / (time.perf_counter() - start))
        p50.append(quantile(taken, 0.5))
        p99.append(quantile(taken, 0.99))
    return p50, p99, rate


async def over_http(plan: Plan, url: str, label: str, method: str, params: dict[str, Any], width: int) -> list[Row]:
    lines = [await HttpLine.open(url, method, params) for _ in range(width)]
    p50, p99, rate = await rounds(plan, lines, plan.calls if params else plan.lists)
    for line in lines:
        line.close()
    rows = [Row(f"{label}, p50", p50), Row(f"{label}, p99", p99)]
    return rows if width == 1 else [*rows, Row(f"{label}, rate", rate, "/s")]


async def over_stdio(plan: Plan, label: str, width: int) -> list[Row]:
    process = await asyncio.create_subprocess_exec(
        *STUB, "20", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=dict(os.environ)
    )
    line = StdioLine(process, "tools/call", CALL)
    reading = asyncio.create_task(line.read())
    p50, p99, rate = await rounds(plan, [line] * width, plan.calls)
    process.terminate()
    await process.wait()
    await reading
    rows = [Row(f"{label}, p50", p50), Row(f"{label}, p99", p99)]
    return rows if width == 1 else [*rows, Row(f"{label}, rate", rate, "/s")]


async def listing(plan: Plan) -> None:
    async with http_stub(TOOLS) as url, gateway({"stub": {"url": url}}) as running:
        await running.settled("stub")
        direct = await over_http(plan, url, "direct", "tools/list", {}, 1)
        through = await over_http(plan, running.endpoint(), "through the gateway", "tools/list", {}, 1)
    show(f"tools/list of {TOOLS:,} tools", [*direct, *through])


async def calls(plan: Plan) -> None:
    through = {**CALL, "name": "stub__tool-0"}
    for width in (1, 32):
        async with http_stub(20) as url, gateway({"stub": {"url": url}}) as running:
            await running.settled("stub")
            rows = await over_http(plan, url, "direct", "tools/call", CALL, width)
            rows += await over_http(plan, running.endpoint(), "through the gateway", "tools/call", through, width)
            show(f"tools/call, server over HTTP, {width} at once", rows)
        async with gateway({"stub": stdio_stub()}) as running:
            await running.settled("stub")
            rows = await over_stdio(plan, "direct", width)
            rows += await over_http(plan, running.endpoint(), "through the gateway", "tools/call", through, width)
            show(f"tools/call, server over stdio, {width} at once", rows)


async def main(plan: Plan) -> None:
    await start_up(plan)
    await listing(plan)
    await calls(plan)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for a first look")
    uvloop.run(main(Plan(quick=parser.parse_args().quick)))
