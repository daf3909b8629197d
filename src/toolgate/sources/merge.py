"""Several sources → one set of servers. Earlier wins on a clash of names, and the clash is reported."""

from collections.abc import Sequence

from toolgate.model.server import Server
from toolgate.sources.base import Found, Shadowed, Skipped, SourceReport

__all__ = ["merge"]


def merge(found: Sequence[tuple[str, Found]]) -> tuple[tuple[Server, ...], tuple[SourceReport, ...]]:
    """`found` pairs each source's name with its reading, the strongest first."""
    taken: dict[str, Server] = {}
    withheld: dict[str, str] = {}
    reports: list[SourceReport] = []
    for source, reading in found:
        count = 0
        shadowed: list[Shadowed] = []
        skipped = list(reading.skipped)
        for server in reading.servers:
            file = server.provenance.file
            if owner := withheld.get(server.name):
                skipped.append(Skipped(server.name, file, f"turned off in {owner}"))
            elif earlier := taken.get(server.name):
                # Definitions compare without their provenance.
                shadowed.append(Shadowed(server.name, file, earlier.provenance.source, earlier == server))
            else:
                taken[server.name] = server
                count += 1
        withheld |= {name: source for name in reading.withheld if name not in withheld}
        files = tuple(file for file in reading.files if file.exists())
        reports.append(SourceReport(source, files, count, tuple(shadowed), tuple(skipped), reading.problems))
    return tuple(taken.values()), tuple(reports)
