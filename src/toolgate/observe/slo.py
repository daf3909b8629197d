"""What happened in the last minutes and hours, and how fast that uses up what the objectives allow.

Nothing here runs for each call: now and then the totals that `Metrics` keeps are set aside, and told from what they are
later.
"""

import asyncio
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

from toolgate.observe.families import BOUNDS
from toolgate.observe.metrics import Total

__all__ = ["BURN_WINDOWS", "IDLE", "Burn", "Objectives", "Recent", "Windows", "quantile"]

BURN_WINDOWS: Final = {"5m": 300.0, "1h": 3600.0, "6h": 21600.0}
"""Seconds. Two windows that both burn make an alarm that comes soon and goes soon."""

_FAST: Final = ("5m", "1h", 14.4)  # 2 % of a month's budget in an hour
_SLOW: Final = ("5m", "6h", 6.0)  # 5 % of a month's budget in six hours
_EVERY: Final = 15.0  # seconds between two marks
_RECENT: Final = 300.0
_MINUTE: Final = 60.0
_SLACK: Final = 1.0  # seconds by which a timer may be early
_NOTHING: Final = Total(0, 0, (0,) * (len(BOUNDS) + 1))


class Objectives(NamedTuple):
    """`availability` of all calls are answered; `fast` of them within `latency` seconds."""

    availability: float = 0.999
    latency: float = 0.1
    fast: float = 0.99


DEFAULT: Final = Objectives()


class Recent(NamedTuple):
    """The last five minutes of one server, or as many as there were. Latencies are in seconds."""

    calls: int
    faults: int
    p50: float | None
    p95: float | None
    per_second: float
    """Calls, over the last quarter or half of a minute."""


IDLE: Final = Recent(0, 0, None, None, 0.0)


class Burn(NamedTuple):
    """How many times as fast as allowed the budget of errors is used up: 1 uses all of it in the objective's period."""

    availability: dict[str, float]
    latency: dict[str, float]

    @property
    def alarm(self) -> str:
        """`fast`, `slow` or nothing."""
        for name, (short, long, limit) in (("fast", _FAST), ("slow", _SLOW)):
            if any(rates[short] > limit and rates[long] > limit for rates in self):
                return name
        return ""


class _Mark(NamedTuple):
    at: float
    totals: Mapping[str, Total]


class _Sum(NamedTuple):
    at: float
    calls: int
    faults: int
    slow: int


_Dated = TypeVar("_Dated", _Mark, _Sum)


class Windows:
    """`totals` answers what `Metrics.totals` does, of this worker or of all. `start` on the event loop."""

    def __init__(
        self,
        totals: Callable[[], Mapping[str, Total]],
        objectives: Objectives = DEFAULT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.objectives = objectives
        self._totals = totals
        self._clock = clock
        self._slow_from = bisect_left(BOUNDS, objectives.latency) + 1
        self._marks: deque[_Mark] = deque([_Mark(clock(), {})], maxlen=int(_RECENT / _EVERY) + 2)
        self._sums: deque[_Sum] = deque([_Sum(clock(), 0, 0, 0)], maxlen=int(max(BURN_WINDOWS.values()) / _MINUTE) + 2)
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_EVERY, self._tick)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self.mark()
        self.start()

    def mark(self) -> None:
        """Set the totals of this moment aside. What did not change is kept once."""
        now, before = self._clock(), self._marks[-1].totals
        totals = {
            name: known if (known := before.get(name)) is not None and known.calls == total.calls else total
            for name, total in self._totals().items()
        }
        self._marks.append(_Mark(now, totals))
        if now - self._sums[-1].at >= _MINUTE - _SLACK:
            self._sums.append(self._sum(now, totals.values()))

    def recent(self) -> dict[str, Recent]:
        """By server."""
        now, totals = self._clock(), self._totals()
        five = _last_before(self._marks, now - _RECENT)
        last = _last_before(self._marks, now - _EVERY)
        found: dict[str, Recent] = {}
        for name, total in totals.items():
            before = five.totals.get(name, _NOTHING)
            if total.calls == before.calls:
                found[name] = IDLE
                continue
            counts = [late - early for late, early in zip(total.counts, before.counts, strict=True)]
            lately = total.calls - last.totals.get(name, _NOTHING).calls
            found[name] = Recent(
                calls=total.calls - before.calls,
                faults=total.faults - before.faults,
                p50=quantile(counts, 0.5),
                p95=quantile(counts, 0.95),
                per_second=lately / max(now - last.at, _SLACK),
            )
        return found

    def burn(self) -> Burn:
        """Of all servers together, over each of `BURN_WINDOWS`, or since the start where that is less."""
        now = self._sum(self._clock(), self._totals().values())
        availability: dict[str, float] = {}
        latency: dict[str, float] = {}
        for name, seconds in BURN_WINDOWS.items():
            before = _last_before(self._sums, now.at - seconds)
            calls = max(now.calls - before.calls, 1)
            availability[name] = (now.faults - before.faults) / calls / (1 - self.objectives.availability)
            latency[name] = (now.slow - before.slow) / calls / (1 - self.objectives.fast)
        return Burn(availability, latency)

    def _sum(self, at: float, totals: Iterable[Total]) -> _Sum:
        known = tuple(totals)
        slow = sum(sum(total.counts[self._slow_from :]) for total in known)
        return _Sum(at, sum(total.calls for total in known), sum(total.faults for total in known), slow)


def _last_before(dated: Iterable[_Dated], moment: float) -> _Dated:
    """The latest that is not after `moment`; the first where all are."""
    found = None
    for one in dated:
        if found is not None and one.at > moment:
            break
        found = one
    assert found is not None  # noqa: S101  # there is one from the start
    return found


def quantile(counts: Sequence[int], share: float) -> float | None:
    """Of latencies in the buckets of `BOUNDS`, as `histogram_quantile` of Prometheus estimates it. Seconds."""
    wanted = sum(counts) * share
    if not wanted:
        return None
    below, low = 0, 0.0
    for high, count in zip(BOUNDS, counts, strict=False):
        if below + count >= wanted:
            return low + (high - low) * (wanted - below) / count
        below, low = below + count, high
    return BOUNDS[-1]
