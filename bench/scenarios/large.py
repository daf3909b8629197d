"""A result of 10 MB through the gateway, and direct: how long it takes, and how much memory the gateway needs."""

import time

from bench.measure import ratio
from bench.rig import Rig
from bench.stubs.answers import TEN_MB
from bench.table import AtMost, Row, Table, middle
from bench.wire import Caller, call, connected


async def run(rig: Rig) -> list[Table]:
    direct, through, grown = [], [], []
    async with (
        rig.stub("quick", 20, "modern") as (url, _),
        rig.everything_on({"stub": {"url": url}}) as running,
    ):
        caller = running.caller()
        await _fetched(caller, "stub__tool-0", 20)
        for _ in range(rig.plan.rounds):
            direct.append(await _fetched(Caller(url), "ten-mb", rig.plan.large))
            before = running.child.memory()
            running.child.forget_peak()
            through.append(await _fetched(caller, "stub__ten-mb", rig.plan.large))
            grown.append((running.child.peak() - before) / (TEN_MB / 1e6))
    rows = [
        Row("direct", direct, "ms"),
        Row("gateway", through, "ms"),
        Row("gateway of direct", ratio(through, direct), "x", AtMost(1.3)),
        Row("memory at the peak, of the result's size", grown, "x", AtMost(3)),
    ]
    return [Table("a result of 10 MB, one at a time", rows, rig.cores.notes())]


async def _fetched(caller: Caller, tool: str, times: int) -> float:
    """Milliseconds of one."""
    taken = []
    request = caller.request(*call(tool))
    async with connected(caller) as connection:
        for _ in range(times):
            start = time.perf_counter()
            answer = await connection.ask(request)
            taken.append((time.perf_counter() - start) * 1e3)
            assert answer.succeeded, answer.body[:500]
            assert "ten-mb" not in tool or len(answer.body) > TEN_MB
    return middle(taken)
