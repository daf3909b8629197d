"""Results as SSE, and with progress before them, through the gateway and through nginx that does not buffer."""

from contextlib import AsyncExitStack

from bench.child import Unavailable
from bench.measure import failures, measured, ratio
from bench.rig import Rig
from bench.scenarios.road import direct_to, gateway_to, limits
from bench.stubs.answers import PROGRESS
from bench.table import AtLeast, Row, Table

WIDTH = 32


async def run(rig: Rig) -> list[Table]:
    tables = []
    async with AsyncExitStack() as stack:
        url, _ = await stack.enter_async_context(rig.stub("quick", 20, "modern"))
        running = await stack.enter_async_context(rig.everything_on({"stub": {"url": url}}))
        notes = rig.cores.notes()
        try:
            other = await stack.enter_async_context(rig.nginx(url))
        except Unavailable as reason:
            notes.append(str(reason))
            other = None
        for tool, title in (("sse", "a result as SSE"), ("progress", f"{PROGRESS} notifications of progress first")):
            ways = [direct_to("direct", url, tool=tool), gateway_to("gateway", running, tool)]
            if other is not None:
                ways.append(direct_to("nginx", other.unbuffered, other.child, tool))
            samples = await measured(ways, rig.plan, WIDTH)
            rows = [Row(f"{label}, rate", taken.rate, "/s") for label, taken in samples.items()]
            rows += [Row(f"{label}, CPU a request", taken.cpu) for label, taken in samples.items() if taken.cpu]
            if "nginx" in samples:
                mine, theirs = samples["gateway"], samples["nginx"]
                rows.append(Row("gateway's rate of nginx's", ratio(mine.rate, theirs.rate), "x", AtLeast(0.5)))
                rows.append(Row("nginx's CPU of the gateway's", ratio(theirs.cpu, mine.cpu), "x"))
            found = [*notes, *failures(samples), *limits(samples, WIDTH)]
            tables.append(Table(f"{title}, {WIDTH} at once", rows, found))
    return tables
