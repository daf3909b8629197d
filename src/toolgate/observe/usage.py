"""Calls added up in memory, by hour, caller and tool, until somebody takes the sums."""

from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

from toolgate.errors import ToolgateError, UpstreamError
from toolgate.model.usage import HOUR, LATENCIES, Tally, UsageKey, UsageRow, hour_of
from toolgate.observe.recorded import Recorded

__all__ = ["FOLDED", "Usage"]

FOLDED: Final = "*"
"""Takes the place of a name where there are too many."""

_URIS: Final = 256  # of one server and hour, under their own names: clients choose them

_Key = tuple[str, str, str, str, str, str]


class Usage:
    """Additive: what is taken may be added to what others took, in any order.

    `most` bounds how many sums are held: beyond it, names of tools are folded into `*`, so there is at most one more
    for each caller, server and method. `crowded` asks to be emptied before that.
    """

    def __init__(self, most: int = 4096) -> None:
        self._most = most
        self._hours: dict[int, dict[_Key, Tally]] = {}
        self._count = 0
        self._uris: dict[str, set[str]] = {}
        self._uris_of = 0
        self._tallies: dict[_Key, Tally] = {}
        self._from = self._until = 0.0  # the hour that `_tallies` are of

    def __bool__(self) -> bool:
        return self._count > 0

    @property
    def crowded(self) -> bool:
        return self._count * 2 >= self._most

    def add(self, recorded: Recorded) -> None:
        if not self._from <= recorded.at < self._until:
            self._turn_to(hour_of(recorded.at))
        key = (
            recorded.principal,
            recorded.principal_name,
            recorded.team,
            recorded.server,
            recorded.method,
            recorded.name,
        )
        tally = self._tallies.get(key) or self._new(key)
        if recorded.outcome == "ok":
            seconds = recorded.seconds
            tally.ok += 1
            tally.seconds += seconds  # `Tally.time`, without the call
            tally.latencies[bisect_left(LATENCIES, seconds)] += 1
        else:
            _count(tally, recorded.outcome, recorded.seconds)
        tally.sent += recorded.sent
        tally.received += recorded.received
        if recorded.cached:
            tally.cached += 1

    def take(self) -> list[UsageRow]:
        """All sums; they begin anew."""
        hours, self._hours = self._hours, {}
        self._tallies, self._from, self._until, self._count = {}, 0.0, 0.0, 0
        return [(UsageKey(hour, *key), tally) for hour, tallies in hours.items() for key, tally in tallies.items()]

    def give_back(self, rows: Iterable[UsageRow]) -> None:
        """What was taken and could not be kept."""
        for (hour, *key), tally in rows:
            self._turn_to(hour)
            whole = (key[0], key[1], key[2], key[3], key[4], key[5])
            (self._tallies.get(whole) or self._put(whole)).add(tally)

    def _turn_to(self, hour: int) -> None:
        self._tallies = self._hours.setdefault(hour, {})
        self._from, self._until = hour, hour + HOUR
        if hour > self._uris_of:
            self._uris_of = hour
            self._uris.clear()

    def _new(self, key: _Key) -> Tally:
        *caller, server, method, name = key
        if self._count >= self._most or (method.startswith("resources/") and self._is_one_too_many(server, name)):
            key = (caller[0], caller[1], caller[2], server, method, FOLDED)
        return self._tallies.get(key) or self._put(key)

    def _put(self, key: _Key) -> Tally:
        tally = self._tallies[key] = Tally()
        self._count += 1
        return tally

    def _is_one_too_many(self, server: str, uri: str) -> bool:
        known = self._uris.setdefault(server, set())
        if uri in known:
            return False
        if len(known) >= _URIS:
            return True
        known.add(uri)
        return False


def _count(tally: Tally, outcome: str, seconds: float) -> None:
    if outcome == "cancelled":
        tally.cancelled += 1
        return
    if outcome == "failed":
        tally.failed += 1
    elif outcome in _ERRORS:
        tally.errors += 1
    else:
        tally.refused += 1
        return
    tally.time(seconds)


def _codes(kind: type[ToolgateError]) -> set[str]:
    return {kind.code}.union(*(_codes(child) for child in kind.__subclasses__()))


# All other codes say that the gateway itself did not let a call through.
_ERRORS: Final = frozenset(_codes(UpstreamError) | {"error", "internal", "slow-client", "cannot-ask"})
