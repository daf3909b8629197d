"""A call in the legacy era beside one in the modern era, to servers of both."""

from contextlib import AsyncExitStack

from bench.measure import Way, failures, measured, ratio
from bench.rig import Rig
from bench.table import AtLeast, Row, Table
from bench.wire import call, opened

WIDTH = 32


async def run(rig: Rig) -> list[Table]:
    async with AsyncExitStack() as stack:
        servers = {}
        for era in ("modern", "legacy"):
            url, _ = await stack.enter_async_context(rig.stub("quick", 20, era))
            servers[era] = {"url": url}
        running = await stack.enter_async_context(rig.everything_on(servers))
        ways = []
        for client in ("modern", "legacy"):
            for server in ("modern", "legacy"):
                caller = await opened(running.caller(client))
                request = caller.request(*call(f"{server}__tool-0"))
                ways.append(Way(f"{client} client, {server} server", caller, request, running.child))
        samples = await measured(ways, rig.plan, WIDTH)
    rows = []
    for label, taken in samples.items():
        rows += [Row(f"{label}, rate", taken.rate, "/s"), Row(f"{label}, CPU a request", taken.cpu)]
    modern = samples["modern client, modern server"].rate
    for label in list(samples)[1:]:
        bar = AtLeast(0.8) if label.startswith("legacy") else None
        rows.append(Row(f"{label}, of all modern", ratio(samples[label].rate, modern), "x", bar))
    return [Table(f"the eras, {WIDTH} at once", rows, rig.cores.notes() + failures(samples))]
