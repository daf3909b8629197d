"""Several workers: how much more they answer, and whether they share the work evenly."""

import psutil

from bench.child import Unavailable
from bench.document import everything_on
from bench.gateway import offers_workers
from bench.measure import failures, measured
from bench.rig import Rig
from bench.scenarios.road import gateway_to
from bench.table import AtLeast, Row, Table, middle

WIDTH = 256


async def run(rig: Rig) -> list[Table]:
    if not await offers_workers():
        raise Unavailable("`toolgate up` has no --workers")
    cores = (rig.cores.measured, *rig.cores.spare)
    counts = sorted({1, 2, len(cores)})
    rows: list[Row] = []
    one: list[float] = []
    notes = rig.cores.notes()
    async with rig.stub("quick", 20, "modern") as (url, _):
        for count in counts:
            document = everything_on({"stub": {"url": url}})
            held = cores[:count]
            async with rig.gateway(document, "--workers", str(count), core=held, tree=True) as running:
                before = _times(running.child.pid)
                samples = await measured([gateway_to("gateway", running)], rig.plan, WIDTH)
                taken = samples["gateway"]
                one = one or taken.rate
                label = f"{count} worker{'s' if count > 1 else ''} on {len(held)} core{'s' if len(held) > 1 else ''}"
                rows += [Row(f"{label}, rate", taken.rate, "/s"), Row(f"{label}, CPU a request", taken.cpu)]
                rows.append(Row(f"{label}, memory (PSS)", [running.child.memory()], "MB"))
                if count > 1:
                    share = _evenness(before, _times(running.child.pid), count)
                    rows.append(Row(f"{label}, the least busy of the busiest", [share], "x"))
                    bar = AtLeast(0.9 * count) if len(held) >= count else None
                    scaled = [rate / middle(one) for rate in taken.rate]
                    rows.append(Row(f"{label}, of one", scaled, "x", bar))
                notes += failures(samples)
    if len(cores) < 2:
        notes.append("one core is left for workers: what more of them cost can be seen here, not what they give")
    return [Table(f"toolgate up --workers N, {WIDTH} at once", rows, notes)]


def _times(pid: int) -> dict[int, float]:
    own = psutil.Process(pid)
    return {each.pid: sum(each.cpu_times()[:2]) for each in (own, *own.children(recursive=True))}


def _evenness(before: dict[int, float], after: dict[int, float], count: int) -> float:
    """Of the `count` processes that worked most."""
    spent = sorted((after[pid] - before.get(pid, 0.0) for pid in after), reverse=True)[:count]
    return spent[-1] / spent[0] if spent[0] else 0.0
