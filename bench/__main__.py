"""`python -m bench`: measures, prints what was measured, and says which bars were missed."""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from bench.child import Unavailable
from bench.cores import Cores
from bench.plan import Plan
from bench.rig import Rig
from bench.scenarios import catalogue, eras, idle, large, overload, peers, road, sandbox, start, stdio, streams, workers
from bench.table import Table, show

Scenario = Callable[[Rig], Awaitable[list[Table]]]

SCENARIOS: dict[str, Scenario] = {
    "road": road.run,
    "eras": eras.run,
    "streams": streams.run,
    "large": large.run,
    "stdio": stdio.run,
    "idle": idle.run,
    "catalogue": catalogue.run,
    "start": start.run,
    "sandbox": sandbox.run,
    "workers": workers.run,
    "overload": overload.run,
    "peers": peers.run,
}


async def main(plan: Plan, names: list[str]) -> dict[str, list[Table]]:
    """What was measured, by scenario. One that cannot run says why, and the others run."""
    found: dict[str, list[Table]] = {}
    cores = Cores.of_this_machine()
    for name in names:
        print(f'\n== {name} (make bench ARGS="--only {name}")', flush=True)
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            try:
                rig = Rig(plan, Path(folder), cores)
                rig.take_place()
                found[name] = await SCENARIOS[name](rig)
            except (Unavailable, AssertionError, OSError) as reason:
                found[name] = [Table(name, notes=[f"not measured: {type(reason).__name__}: {reason}"])]
        for table in found[name]:
            show(table)
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, for a first look")
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, metavar="NAME", help=f"of: {', '.join(SCENARIOS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every value there")
    parser.add_argument("--strict", action="store_true", help="end with 1 where a bar was missed")
    return parser.parse_args()


def _missed(found: dict[str, list[Table]]) -> list[str]:
    return [
        f"{table.title}: {row.what}"
        for tables in found.values()
        for table in tables
        for row in table.rows
        if row.bar and row.values and "MISSED" in row.verdict()
    ]


if __name__ == "__main__":
    given = _arguments()
    plan = Plan.quick() if given.quick else Plan.full()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        results = runner.run(main(plan, given.only or list(SCENARIOS)))
    if given.json:
        facts = {name: [table.facts() for table in tables] for name, tables in results.items()}
        given.json.write_text(json.dumps({"at": time.time(), "scenarios": facts}, indent=1))
    missed = _missed(results)
    print(f"\n{len(missed)} bars missed" + "".join(f"\n  {line}" for line in missed))
    sys.exit(bool(missed) and given.strict)
