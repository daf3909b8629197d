"""`python -m bench.soak`: load at a share of the peak, while everything goes wrong around it.

Servers die and hang, clients vanish, configurations are read again, keys are revoked. Every answer is checked, and
every one must be in the audit.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import uvloop

from bench.cores import Cores
from bench.flow import Flow, Route
from bench.gateway import Gateway
from bench.plan import Plan
from bench.rig import Rig
from bench.soak.audit import audit_size, recorded
from bench.soak.cast import Cast, Vanishing, document
from bench.soak.trouble import Trouble
from bench.soak.watch import Watch
from bench.table import AtMost, Row, Table, show
from bench.wire import Caller, opened

WIDTH = 32
PEAK = 5.0  # seconds that the peak is measured for
WINDOWS = 60
STALL = 0.5  # seconds
ODD = 50  # every so many-th call goes to each of the servers in trouble


async def soak(rig: Rig, minutes: float, share: float, most: float) -> Table:
    rig.take_place()
    async with AsyncExitStack() as stack:
        cast = Cast.of(rig)
        for mortal in cast.everyone:
            await mortal.rise()
            stack.push_async_callback(mortal.end)
        collector, _ = await stack.enter_async_context(rig.stub("collector"))
        # The gateway ends before the servers do, and before its audit is counted.
        async with rig.gateway(document(cast.servers(), collector)) as running:
            watch, notes = await _under_load(rig, running, cast, collector, minutes, share, most)
        state = running.folder / "state"
        rows = watch.rows()
        written = recorded(state, "bench")
        rows.append(Row("state on disk", [audit_size(state)], "MB"))
    if written is None:
        notes.append("this gateway has no audit table")
    else:
        rows.append(Row("answers without an audit record", [float(watch.answered - written)], "", AtMost(0)))
    return Table(f"{minutes:g} minutes of trouble", rows, [*rig.cores.notes(), *notes, *watch.wrong])


async def _under_load(
    rig: Rig, running: Gateway, cast: Cast, collector: str, minutes: float, share: float, most: float
) -> tuple[Watch, list[str]]:
    watch = Watch(running.child)
    routes = await _routes(running)
    flow = Flow(watch.heard)
    peak = await _peak(routes["steady"], watch)
    rate = min(peak * share, most or peak)
    print(f"peak {peak:,.0f} calls/s with this client, so {rate:,.0f} calls/s for {minutes:g} minutes", flush=True)
    key = (await running.keys("create", "vanishing", *running.team))["key"]
    vanishing = Vanishing(Caller(f"{running.url}/mcp", key=key))
    trouble = Trouble(cast, running, vanishing, collector)
    looking = asyncio.create_task(watch.look(minutes * 60 / WINDOWS))
    trouble.begin(min(60.0, minutes * 60 / 4))
    odd = [routes[name] for name in ("dying", "hanging", "piped", "old")]
    await flow.run(rate, minutes * 60, lambda n: odd[n % ODD] if n % ODD < len(odd) else routes["steady"])
    looking.cancel()
    await trouble.end()
    await flow.rest()
    notes = [f"{count} times: {what}" for what, count in trouble.done.items()] + trouble.failed
    if flow.stalled > STALL:
        notes.append(f"the rig itself stood still for {flow.stalled:.1f} s: what is late may be its fault")
    if flow.unsent:
        notes.append(f"{flow.unsent} calls were not sent, since {flow.most} were under way")
    return watch, [f"{rate:,.0f} calls/s, of a peak of {peak:,.0f} with a client that checks", *notes]


async def _routes(running: Gateway) -> dict[str, Route]:
    """`old` is a client of the legacy era, of the server that goes on."""
    caller = running.caller()
    session = await opened(running.caller("legacy"))
    found = {name: Route(name, caller, f"{name}__echo", steady=name == "steady") for name in ("steady", "dying")}
    found |= {name: Route(name, caller, f"{name}__echo", steady=False) for name in ("hanging", "piped")}
    return {**found, "old": Route("old", session, "steady__echo")}


async def _peak(route: Route, watch: Watch) -> float:
    """Calls a second, where each of some clients waits for its answer, with a client that checks as the soak does."""
    flow = Flow(watch.heard)
    end = asyncio.get_running_loop().time() + PEAK
    before = watch.answered

    async def work() -> None:
        while asyncio.get_running_loop().time() < end:
            await flow.ask(route)

    await asyncio.gather(*(work() for _ in range(WIDTH)))
    return (watch.answered - before) / PEAK


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--share", type=float, default=0.7, help="of the peak")
    parser.add_argument("--most", type=float, default=0.0, metavar="RATE", help="calls a second at most")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every value there")
    return parser.parse_args()


if __name__ == "__main__":
    given = _arguments()
    with (
        tempfile.TemporaryDirectory(prefix="soak-") as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        rig = Rig(Plan.full(), Path(folder), Cores.of_this_machine())
        table = runner.run(soak(rig, given.minutes, given.share, given.most))
    show(table)
    if given.json:
        given.json.write_text(json.dumps(table.facts(), indent=1))
    sys.exit(any("MISSED" in row.verdict() for row in table.rows))
