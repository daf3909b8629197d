"""What calls add up to."""

from bisect import bisect_left
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

__all__ = ["HOUR", "LATENCIES", "Tally", "UsageKey", "UsageRow", "hour_of", "total"]

HOUR: Final = 3600

LATENCIES: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper ends of the buckets, in seconds; one more takes what is slower. Columns of a table depend on how many."""


class UsageKey(NamedTuple):
    """Whose calls, of what, in which hour. `hour` is its first second, since the epoch."""

    hour: int
    principal: str
    principal_name: str
    team: str
    server: str
    method: str
    name: str


class Tally(msgspec.Struct, gc=False):
    """Counts of calls by how they ended, which exclude each other, and what they took.

    `failed` is a tool that says `isError`; `errors` are JSON-RPC errors of the server, and calls that it could not
    answer; `refused` never came to a server; `cached` were answered without one (they are counted by their end too).
    `seconds` and `latencies` leave out what was refused or cancelled: it says nothing about the server.
    """

    ok: int = 0
    failed: int = 0
    errors: int = 0
    refused: int = 0
    cancelled: int = 0
    cached: int = 0
    sent: int = 0
    received: int = 0
    seconds: float = 0.0
    latencies: list[int] = msgspec.field(default_factory=lambda: [0] * (len(LATENCIES) + 1))

    @property
    def calls(self) -> int:
        return self.answered + self.refused + self.cancelled

    @property
    def answered(self) -> int:
        """Calls that came to an end at a server, well or not."""
        return self.ok + self.failed + self.errors

    @property
    def success_rate(self) -> float | None:
        """Of the answered calls; None where there are none."""
        return self.ok / self.answered if self.answered else None

    def time(self, seconds: float) -> None:
        self.seconds += seconds
        self.latencies[bisect_left(LATENCIES, seconds)] += 1

    def add(self, other: "Tally") -> None:
        self.ok += other.ok
        self.failed += other.failed
        self.errors += other.errors
        self.refused += other.refused
        self.cancelled += other.cancelled
        self.cached += other.cached
        self.sent += other.sent
        self.received += other.received
        self.seconds += other.seconds
        self.latencies = [mine + its for mine, its in zip(self.latencies, other.latencies, strict=True)]

    def percentile(self, share: float) -> float | None:
        """Seconds that this share (0 to 1) of the answered calls took at most. They are taken as evenly spread within a
        bucket, so it is as exact as the buckets are. None where nothing was answered."""
        wanted = share * sum(self.latencies)
        lower = 0.0
        for upper, count in zip((*LATENCIES, LATENCIES[-1]), self.latencies, strict=True):
            if count and count >= wanted:
                return lower + (upper - lower) * wanted / count
            wanted -= count
            lower = upper
        return None


UsageRow = tuple[UsageKey, Tally]


def hour_of(moment: float) -> int:
    return int(moment) // HOUR * HOUR


def total(tallies: Iterable[Tally]) -> Tally:
    whole = Tally()
    for tally in tallies:
        whole.add(tally)
    return whole
