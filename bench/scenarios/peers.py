"""Other gateways in front of the same server, on the same core, in turn with ours."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial

from bench.child import Unavailable
from bench.measure import Way, failures, measured, ratio
from bench.peers.contextforge import contextforge
from bench.peers.environment import Peer
from bench.peers.fastmcp import fastmcp
from bench.rig import Rig
from bench.scenarios.road import gateway_to
from bench.table import AtLeast, Row, Table
from bench.wire import call

WIDTHS = (1, 32)
SECONDS = {1: 5, 32: 12}  # at least: some answer a few calls in one
_Start = Callable[[Rig, str], AbstractAsyncContextManager[Peer]]
# How much faster ours has to be.
PEERS: tuple[tuple[str, _Start, float], ...] = (
    ("FastMCP, as it comes", partial(fastmcp, reused=False), 100),
    ("FastMCP, client reused", partial(fastmcp, reused=True), 20),
    ("ContextForge, as it comes", contextforge, 100),
)


async def run(rig: Rig) -> list[Table]:
    """One peer at a time: some of them are busy when nobody calls."""
    tables = []
    async with AsyncExitStack() as stack:
        url, _ = await stack.enter_async_context(rig.stub("quick", 20, "both"))
        running = await stack.enter_async_context(rig.everything_on({"stub": {"url": url}}))
        ours = gateway_to("gateway", running)
        for label, start, bar in PEERS:
            try:
                async with start(rig, url) as peer:
                    tables += [await _beside(rig, ours, peer, width, bar) for width in WIDTHS]
            except Unavailable as reason:
                tables.append(Table(label, notes=[f"not measured: {reason}"]))
    return tables


async def _beside(rig: Rig, ours: Way, peer: Peer, width: int, bar: float) -> Table:
    theirs = Way(peer.label, peer.caller, peer.caller.request(*call(peer.tool)), peer.child)
    samples = await measured([ours, theirs], rig.plan, width, seconds=max(SECONDS[width], rig.plan.seconds))
    mine, other = samples[ours.label], samples[theirs.label]
    rows = [
        Row("gateway, rate", mine.rate, "/s"),
        Row(f"{peer.label}, rate", other.rate, "/s"),
        Row("gateway, CPU a request", mine.cpu),
        Row(f"{peer.label}, CPU a request", other.cpu),
        Row(f"{peer.label}, p50", other.p50),
        Row("gateway of theirs, rate", ratio(mine.rate, other.rate), "x", AtLeast(bar)),
        Row("gateway of theirs, by CPU a request", ratio(other.cpu, mine.cpu), "x"),
    ]
    return Table(f"{peer.label} ({peer.version}), {width} at once", rows, failures(samples))
