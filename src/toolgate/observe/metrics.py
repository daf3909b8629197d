"""What is counted of calls as they end, and read of everything else when somebody looks."""

import logging
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from platform import python_version
from typing import Final, NamedTuple

import msgspec

from toolgate import __version__
from toolgate.errors import Stopped, ToolgateError, UpstreamError
from toolgate.observe.families import BOUNDS
from toolgate.observe.recorded import Recorded

__all__ = [
    "FAULTS",
    "NAMED",
    "OTHER",
    "Labels",
    "Metrics",
    "Reading",
    "Snapshot",
    "Total",
    "merged_totals",
    "read_snapshot",
]

Labels = tuple[str, ...]
Reading = float | Iterable[tuple[Labels, float]]
"""One value, or one for each set of labels, in the order of the family's."""

OTHER: Final = "other"
"""Stands for what has no label of its own."""

NAMED: Final = frozenset({"tools/call", "prompts/get"})
"""The methods whose name is a label. A URI is none: there is no end of them."""

_METHODS: Final = frozenset({
    "tools/call", "tools/list", "prompts/get", "prompts/list", "resources/read", "resources/list",
    "resources/templates/list", "resources/subscribe", "resources/unsubscribe", "completion/complete", "ping",
    "logging/setLevel", "initialize", "server/discover", "subscriptions/listen",
    "tasks/get", "tasks/update", "tasks/cancel", "tasks/list", "tasks/result",
})  # fmt: skip
_MOST: Final = 5000  # sets of labels of calls; what comes after them is counted under OTHER
_MOST_SPREADS: Final = 1000
_MOST_LIMITS: Final = 64
_NONE: Final = (0,) * (len(BOUNDS) + 1)

_log = logging.getLogger(__name__)


def _codes(kind: type[ToolgateError]) -> set[str]:
    return {kind.code}.union(*map(_codes, kind.__subclasses__()))


FAULTS: Final = frozenset({"error", "internal", "overloaded", "audit-full", "draining", "store-unusable"}) | _codes(
    UpstreamError
) - {Stopped.code}
"""The outcomes that count against availability: the caller did nothing wrong and got no answer to use."""


class Total(NamedTuple):
    """All calls of one server since the start: `counts` are those in each bucket of `BOUNDS`, and beyond."""

    calls: int
    faults: int
    counts: tuple[int, ...]


class Snapshot(msgspec.Struct, array_like=True):
    """The figures of one worker at one moment, by family. A spread has the count of each bucket, and the sum."""

    worker: str
    values: dict[str, list[tuple[Labels, float]]]
    spreads: dict[str, list[tuple[Labels, list[int], float]]]

    def encode(self) -> bytes:
        return msgspec.msgpack.encode(self)


def read_snapshot(data: bytes) -> Snapshot:
    """What another worker encoded. Raises `msgspec.DecodeError`."""
    return msgspec.msgpack.decode(data, type=Snapshot)


class _Spread:
    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = list(_NONE)
        self.seconds = 0.0


class _OfServer:
    __slots__ = ("calls", "faults", "hits", "received", "sent", "spreads")

    def __init__(self) -> None:
        self.calls = self.faults = self.hits = self.sent = self.received = 0
        self.spreads: list[_Spread] = []

    def total(self) -> Total:
        if len(self.spreads) == 1:
            return Total(self.calls, self.faults, tuple(self.spreads[0].counts))
        counts = zip(_NONE, *(spread.counts for spread in self.spreads), strict=True)
        return Total(self.calls, self.faults, tuple(map(sum, counts)))


class _Line:
    """One set of labels of `toolgate_calls_total`, and what else a call with these labels adds to."""

    __slots__ = ("calls", "fault", "server", "spread")

    def __init__(self, server: _OfServer, spread: _Spread, fault: int) -> None:
        self.calls = 0
        self.server = server
        self.spread = spread
        self.fault = fault


class Metrics:
    """`listed(server, method, name)` says whether the server lists a tool or prompt of that name: others never become
    labels. `worker` tells the workers of one machine apart."""

    def __init__(self, listed: Callable[[str, str, str], bool], worker: str = "0", most: int = _MOST) -> None:
        self._listed = listed
        self._worker = worker
        self._most = most
        self._lines: dict[tuple[str, str, str, str, str], _Line] = {}
        self._spreads: dict[tuple[str, str, str], _Spread] = {}
        self._servers: dict[str, _OfServer] = {}
        self._refusals: dict[str, int] = {}
        self._readers: list[Callable[[], Mapping[str, Reading]]] = []
        self._failed: set[int] = set()

    def record(self, recorded: Recorded) -> None:
        """Count one call. Under a microsecond, so that nobody has to think about it."""
        method = recorded.method
        key = (recorded.server, recorded.name if method in NAMED else "", method, recorded.era, recorded.outcome)
        line = self._lines.get(key) or self._line(key)
        line.calls += 1
        spread = line.spread
        spread.counts[bisect_left(BOUNDS, recorded.seconds)] += 1
        spread.seconds += recorded.seconds
        server = line.server
        server.calls += 1
        server.faults += line.fault
        server.sent += recorded.sent
        server.received += recorded.received
        if recorded.cached:
            server.hits += 1

    def refused(self, limit: str) -> None:
        """A limit refused a call; `limit` is one of a few words of ours (`principal`, `tool`, `queue`)."""
        if limit not in self._refusals and len(self._refusals) >= _MOST_LIMITS:
            limit = OTHER
        self._refusals[limit] = self._refusals.get(limit, 0) + 1

    def read(self, name: str, reader: Callable[[], Reading]) -> None:
        """Ask `reader` for this metric whenever somebody looks."""
        self.read_all(lambda: {name: reader()})

    def read_all(self, reader: Callable[[], Mapping[str, Reading]]) -> None:
        """The same for several metrics, by name, that come from one place."""
        self._readers.append(reader)

    def totals(self) -> dict[str, Total]:
        """By server, for the windows that health is told from."""
        return {name: server.total() for name, server in self._servers.items()}

    def snapshot(self) -> Snapshot:
        """Everything as it is now. Taken on the event loop; turning it into text may be left to a thread."""
        servers = self._servers.items()
        values: dict[str, list[tuple[Labels, float]]] = {
            "toolgate_calls_total": [(key, line.calls) for key, line in self._lines.items()],
            "toolgate_bytes_total": [
                ((name, direction), amount)
                for name, server in servers
                for direction, amount in (("sent", server.sent), ("received", server.received))
            ],
            "toolgate_cache_hits_total": [((name,), server.hits) for name, server in servers],
            "toolgate_refusals_total": [((limit,), count) for limit, count in self._refusals.items()],
            "toolgate_build_info": [((__version__, python_version()), 1)],
            "toolgate_workers": [((), 1)],
        }
        for number in range(len(self._readers)):
            for name, reading in self._readings(number).items():
                values[name] = [((), reading)] if isinstance(reading, int | float) else list(reading)
        spreads: list[tuple[Labels, list[int], float]] = [
            (key, list(spread.counts), spread.seconds) for key, spread in self._spreads.items()
        ]
        return Snapshot(self._worker, values, {"toolgate_call_seconds": spreads})

    def _readings(self, number: int) -> Mapping[str, Reading]:
        try:
            return self._readers[number]()
        except Exception:
            # One room that cannot be read must not hide the figures of all others.
            if number not in self._failed:
                self._failed.add(number)
                _log.exception("some metrics cannot be read")
            return {}

    def _line(self, key: tuple[str, str, str, str, str]) -> _Line:
        """The way of labels that are new or not to be used as they are."""
        folded = self._folded(key)
        line = self._lines.get(folded)
        if line is None:
            server, _, method, era, outcome = folded
            of_server = self._servers.get(server)
            if of_server is None:
                of_server = self._servers[server] = _OfServer()
            line = _Line(of_server, self._spread(of_server, server, method, era), int(outcome in FAULTS))
            self._lines[folded] = line
        return line

    def _folded(self, key: tuple[str, str, str, str, str]) -> tuple[str, str, str, str, str]:
        server, name, method, era, outcome = key
        if method not in _METHODS:
            method = OTHER
        if name and not self._listed(server, method, name):
            name = OTHER
        if name and len(self._lines) >= self._most:
            name = OTHER
        folded = (server, name, method, era, outcome)
        if folded in self._lines or len(self._lines) < self._most:
            return folded
        # Full: a second, smaller share is for the servers as wholes, and what is left for one line that takes all.
        if len(self._lines) < self._most + _MOST_SPREADS:
            return folded
        return (OTHER, OTHER, OTHER, OTHER, OTHER)

    def _spread(self, of_server: _OfServer, server: str, method: str, era: str) -> _Spread:
        key = (server, method, era)
        is_own = key in self._spreads or len(self._spreads) < _MOST_SPREADS
        spread = self._spreads.setdefault(key if is_own else (OTHER, OTHER, OTHER), _Spread())
        if is_own and spread not in of_server.spreads:
            of_server.spreads.append(spread)
        return spread


def merged_totals(of_workers: Iterable[Mapping[str, Total]]) -> dict[str, Total]:
    """The totals of several workers as one."""
    merged: dict[str, Total] = {}
    for totals in of_workers:
        for name, total in totals.items():
            before = merged.get(name)
            merged[name] = total if before is None else _added(before, total)
    return merged


def _added(one: Total, other: Total) -> Total:
    counts = tuple(a + b for a, b in zip(one.counts, other.counts, strict=True))
    return Total(one.calls + other.calls, one.faults + other.faults, counts)
