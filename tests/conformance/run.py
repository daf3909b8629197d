"""The conformance suite's verdict on a server, directly and through Toolgate: `make conformance`.

    python -m tests.conformance.run [--era dual|legacy|modern] [--revision V] [--all]

Ends with 1 where what fails through Toolgate is not what the baseline names.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.conformance.baseline import allowed, differences
from tests.conformance.fixture import ERAS, gateway_before, running_server
from tests.conformance.suite import REVISIONS, Outcome, Suite


async def compare(era: str, revision: str) -> tuple[Outcome, Outcome]:
    """Directly, and through Toolgate; each with a server of its own, since some scenarios leave things behind."""
    suite = Suite.installed()
    async with running_server(era) as url:
        direct = await suite.run(url, revision)
    with tempfile.TemporaryDirectory() as folder:
        async with running_server(era) as url, gateway_before(url, Path(folder)) as through:
            return direct, await suite.run(through, revision)


def show(era: str, revision: str, direct: Outcome, through: Outcome, everything: bool) -> None:
    counts = [f"{sum(not found for found in outcome.values())}/{len(outcome)}" for outcome in (direct, through)]
    print(f"\n{revision}, {era} server: {counts[0]} directly, {counts[1]} through Toolgate")
    known = allowed(era, revision)
    for scenario in through:
        if not everything and not through[scenario]:
            continue
        marks = ["fails" if outcome[scenario] else "passes" for outcome in (direct, through)]
        print(f"  {scenario:<48} {marks[0]:<7} {marks[1]}")
        for fault in through[scenario]:
            print(f"      {'(known) ' if fault.check in known.get(scenario, ()) else ''}{fault}")


async def main() -> int:
    parser = argparse.ArgumentParser(prog="make conformance")
    parser.add_argument("--era", choices=ERAS, action="append", help="of the server; all where none is given")
    parser.add_argument("--revision", choices=REVISIONS, action="append", help="of the client; all where none is given")
    parser.add_argument("--all", action="store_true", help="show the scenarios that pass, too")
    options = parser.parse_args()
    unexpected: list[str] = []
    for era in options.era or ERAS:
        for revision in options.revision or REVISIONS:
            direct, through = await compare(era, revision)
            show(era, revision, direct, through, options.all)
            unexpected += [f"{revision}, {era} server: {line}" for line in differences(through, era, revision)]
    print("\n" + ("\n".join(unexpected) or "All is as the baseline says"))
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
