"""How the servers and the gateway as a whole are doing, as the API and the command line show it."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from toolgate.model.owner import is_seen
from toolgate.model.principal import LOCAL, Principal
from toolgate.model.transition import Transition
from toolgate.observe.health import Checked, Condition, Health, assess, overall, reliability
from toolgate.observe.slo import IDLE, Burn, Recent, Windows
from toolgate.upstream.base import Status

__all__ = ["HealthReport"]

_DAY: Final = 86_400.0
_WEEK: Final = 7 * _DAY


class HealthReport:
    """`statuses` and `transitions(server)` tell of the servers, `in_flight` how many calls each has under way."""

    def __init__(
        self,
        statuses: Callable[[], Iterable[Status]],
        transitions: Callable[[str], Sequence[Transition]],
        windows: Windows,
        checked: Checked,
        in_flight: Callable[[str], int] = lambda _: 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._statuses = statuses
        self._transitions = transitions
        self._windows = windows
        self._checked = checked
        self._in_flight = in_flight
        self._clock = clock

    def __call__(self, principal: Principal = LOCAL) -> dict[str, Any]:
        """The body of `GET /api/v1/health`, for this caller. Times are seconds since the epoch, spans in seconds,
        latencies in ms."""
        recent, burn = self._windows.recent(), self._windows.burn()
        seen = [status for status in self._statuses() if is_seen(principal, status.server.owner)]
        judged = [(status, self._judge(status, recent)) for status in seen]
        conditions = [health.condition for _, health in judged]
        sick = [
            f"{status.server.name}: {health.reason}"
            for status, health in judged
            if health.reason and health.condition is not Condition.STOPPED
        ]
        condition = overall(conditions)
        if burn.alarm and condition is Condition.HEALTHY:
            condition = Condition.DEGRADED
            sick.append(f"the error budget burns {burn.alarm}")
        return {
            "status": condition.value,
            "reason": "; ".join(sick[:3]) + (f"; and {len(sick) - 3} more" if len(sick) > 3 else ""),
            "servers": [self._entry(status, health, recent) for status, health in judged],
            "slo": self._slo(burn),
        }

    def _judge(self, status: Status, recent: dict[str, Recent]) -> Health:
        name = status.server.name
        lately = recent.get(name, IDLE)
        return assess(status.state.value, status.reason, self._checked.get(name), lately.calls, lately.faults)

    def _entry(self, status: Status, health: Health, recent: dict[str, Recent]) -> dict[str, Any]:
        name, now = status.server.name, self._clock()
        transitions = self._transitions(name)
        week = reliability(transitions, now - _WEEK, now)
        lately, check = recent.get(name, IDLE), self._checked.get(name)
        return {
            "name": name,
            "status": health.condition.value,
            "reason": health.reason,
            "state": status.state.value,
            "since": status.since,
            "uptime_24h": _rounded(reliability(transitions, now - _DAY, now).uptime, 6),
            "uptime_7d": _rounded(week.uptime, 6),
            "mtbf": _rounded(week.mtbf, 1),
            "mttr": _rounded(week.mttr, 1),
            "outages_7d": week.outages,
            "p50_ms": _ms(lately.p50),
            "p95_ms": _ms(lately.p95),
            "calls_5m": lately.calls,
            "error_rate_5m": round(lately.faults / lately.calls, 6) if lately.calls else None,
            "calls_per_second": round(lately.per_second, 2),
            "in_flight": self._in_flight(name),
            "checked_at": check.at if check is not None else None,
            "check_ms": _ms(check.seconds) if check is not None and not check.error else None,
        }

    def _slo(self, burn: Burn) -> dict[str, Any]:
        wanted = self._windows.objectives
        return {
            "alarm": burn.alarm,
            "availability": {"objective": wanted.availability, "burn": _all_rounded(burn.availability)},
            "latency": {
                "objective": wanted.fast,
                "ms": round(wanted.latency * 1000, 3),
                "burn": _all_rounded(burn.latency),
            },
        }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _all_rounded(rates: dict[str, float]) -> dict[str, float]:
    return {window: round(rate, 2) for window, rate in rates.items()}
