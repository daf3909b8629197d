"""A call through the gateway with everything on, through nginx, and direct: one core each, 1, 32 and 256 at once."""

from contextlib import AsyncExitStack

from bench.child import Child, Unavailable
from bench.gateway import Gateway
from bench.measure import Samples, Way, added, failures, measured, ratio
from bench.rig import Rig
from bench.table import AtLeast, AtMost, Row, Table, middle
from bench.wire import Caller, call

WIDTHS = (1, 32, 256)
ACROSS = "direct, on two cores"
_SATURATED = 0.95  # of its core


async def run(rig: Rig) -> list[Table]:
    tables = []
    async with AsyncExitStack() as stack:
        url, _ = await stack.enter_async_context(rig.stub("quick", 20, "modern"))
        running = await stack.enter_async_context(rig.everything_on({"stub": {"url": url}}))
        ways = [direct_to("direct", url), gateway_to("gateway", running)]
        notes = rig.cores.notes()
        try:
            other = await stack.enter_async_context(rig.nginx(url))
        except Unavailable as reason:
            notes.append(str(reason))
        else:
            ways.append(direct_to("nginx", other.url, other.child))
        # A call crosses from one core to another everywhere but in a rig that has too few of them.
        across, _ = await stack.enter_async_context(rig.stub("quick", 20, "modern", core=rig.cores.measured))
        for width in WIDTHS:
            more = [direct_to(ACROSS, across)] if width == 1 else []
            samples = await measured([*ways, *more], rig.plan, width)
            title = f"tools/call, modern, server over HTTP, {width} at once"
            tables.append(Table(title, rows_of(samples, width), [*notes, *failures(samples), *limits(samples, width)]))
    return tables


def direct_to(label: str, url: str, child: Child | None = None, tool: str = "tool-0") -> Way:
    caller = Caller(url)
    return Way(label, caller, caller.request(*call(tool, _meta={"progressToken": 1})), child)


def gateway_to(label: str, running: Gateway, tool: str = "tool-0") -> Way:
    caller = running.caller()
    return Way(label, caller, caller.request(*call(f"stub__{tool}", _meta={"progressToken": 1})), running.child)


def rows_of(samples: dict[str, Samples], width: int) -> list[Row]:
    rows = []
    for label, taken in samples.items():
        rows += [Row(f"{label}, rate", taken.rate, "/s"), Row(f"{label}, p50", taken.p50)]
        rows.append(Row(f"{label}, p99", taken.p99))
        if taken.cpu:
            bar = AtMost(60) if label == "gateway" else None
            rows.append(Row(f"{label}, CPU a request", taken.cpu, "µs", bar))
    gateway = samples["gateway"]
    if (direct := samples.get(ACROSS)) is not None:
        rows.append(Row("added by the gateway, p50", added(gateway.p50, direct.p50), "µs", AtMost(100)))
        rows.append(Row("added by the gateway, p99", added(gateway.p99, direct.p99), "µs", AtMost(1_000)))
    if (other := samples.get("nginx")) is not None:
        share = AtLeast(0.5) if width > 1 else None
        rows.append(Row("gateway's rate of nginx's", ratio(gateway.rate, other.rate), "x", share))
        rows.append(Row("nginx's CPU of the gateway's", ratio(other.cpu, gateway.cpu), "x"))
    return rows


def limits(samples: dict[str, Samples], width: int) -> list[str]:
    """Where something else than what is measured was the limit. One call at a time waits for the wire, always."""
    return [
        f"{label} was busy {middle(taken.busy):.0%} of the time: others were its limit, so go by the CPU a request"
        for label, taken in samples.items()
        if width > 1 and taken.busy and middle(taken.busy) < _SATURATED
    ]
