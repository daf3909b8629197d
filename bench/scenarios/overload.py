"""Three times as many calls as are let in: what is refused, what is served, and how soon all is well again.

The gateway may have so many calls under way, and each takes half a second, so its capacity is known. Calls come at a
rate, whether or not others were answered.
"""

import time
from collections.abc import Sequence

from bench.flow import Asked, Flow, Route
from bench.load import Load, load
from bench.measure import ratio
from bench.rig import Rig
from bench.scenarios.road import gateway_to
from bench.table import AtLeast, AtMost, Row, Table, quantile

UNDER_WAY = 500
CALL = 0.5  # seconds that the tool takes
CAPACITY = UNDER_WAY / CALL
CALM = 0.5  # of the capacity
LONGER = 1.2  # times the tool's own time: an answer that took longer waited
RECOVERY = 6.0  # seconds that are looked at
FEW = 32
CROWD = 1_000


async def run(rig: Rig) -> list[Table]:
    return [await _by_limit(rig), await _by_processor(rig)]


async def _by_limit(rig: Rig) -> Table:
    seconds = 2 + 2 * rig.plan.seconds
    rows: dict[str, list[float]] = {}
    flow_notes: list[str] = []
    async with (
        rig.stub("town", 0, 5) as (url, _),
        rig.everything_on({"stub": {"url": url}}, limits={"calls": UNDER_WAY}) as running,
    ):
        route = Route("stub", running.caller(), "stub__slow")
        for _ in range(rig.plan.rounds):
            for what, value in (await _round(route, seconds, flow_notes)).items():
                rows.setdefault(what, []).append(value)
    return Table(f"three times the capacity of {CAPACITY:,.0f} calls/s, by `limits.calls`", _rows(rows), flow_notes)


async def _by_processor(rig: Rig) -> Table:
    """As many as wait for each other's answers: what is served when the queue is long, and right after."""
    found: dict[str, list[Load]] = {"before": [], "crowd": [], "after": []}
    async with rig.stub("quick", 20, "modern") as (url, _), rig.everything_on({"stub": {"url": url}}) as running:
        way = gateway_to("gateway", running)
        await load(way.caller, way.request, FEW, 1)
        for _ in range(rig.plan.rounds):
            for label, width in (("before", FEW), ("crowd", CROWD), ("after", FEW)):
                found[label].append(await load(way.caller, way.request, width, rig.plan.seconds))
    before, crowd, after = ([taken.rate for taken in found[label]] for label in found)
    rows = [
        Row(f"served, {FEW} at once", before, "/s"),
        Row(f"served, {CROWD:,} at once", crowd, "/s"),
        Row("served, of the peak", ratio(crowd, before), "x", AtLeast(0.8)),
        Row(f"{CROWD:,} at once, p99", [taken.p99 / 1e3 for taken in found["crowd"]], "ms"),
        Row("right after, of the peak", ratio(after, before), "x", AtLeast(0.9)),
    ]
    failed = sum(taken.failed for taken in found["crowd"])
    return Table(f"{CROWD:,} callers that each wait for their answer", rows, [f"{failed} not served"] if failed else [])


async def _round(route: Route, seconds: float, notes: list[str]) -> dict[str, float]:
    """Full, then too much, then calm again."""
    heard: list[Asked] = []
    flow = Flow(heard.append)
    await flow.run(CAPACITY * 0.98, seconds, lambda _: route)
    await flow.rest()
    peak = _served(heard, seconds)
    heard.clear()
    await flow.run(CAPACITY * 3, seconds, lambda _: route)
    over = time.perf_counter()
    during = list(heard)
    heard.clear()
    await flow.run(CAPACITY * CALM, RECOVERY, lambda _: route)
    await flow.rest()
    if flow.unsent:
        notes.append(f"{flow.unsent} calls could not be sent")
    if odd := {name: count for name, count in flow.outcomes.items() if name not in {"right", "busy"}}:
        notes.append(f"other answers: {odd}")
    refused = [asked.seconds * 1e3 for asked in during if asked.outcome == "busy"]
    late = [asked.at - over for asked in heard if asked.outcome != "right" or asked.seconds > CALL * LONGER]
    return {
        "peak": peak,
        "goodput": _served(during, seconds),
        "share": len(refused) / max(1, len(during)),
        "p50": quantile(refused, 0.5) if refused else 0.0,
        "p99": quantile(refused, 0.99) if refused else 0.0,
        "recovery": max([0.0, *late]),
    }


def _served(heard: Sequence[Asked], seconds: float) -> float:
    return sum(asked.outcome == "right" for asked in heard) / seconds


def _rows(found: dict[str, list[float]]) -> list[Row]:
    served = [over / peak for over, peak in zip(found["goodput"], found["peak"], strict=True)]
    return [
        Row("served at the capacity", found["peak"], "/s"),
        Row("served at three times of it", found["goodput"], "/s"),
        Row("served, of the peak", served, "x", AtLeast(0.8)),
        Row("refused with 429 or 503", [share * 100 for share in found["share"]], "%"),
        Row("a refusal, p50", found["p50"], "ms"),
        Row("a refusal, p99", found["p99"], "ms", AtMost(10)),
        Row("until all is well again", found["recovery"], "s", AtMost(5)),
    ]
