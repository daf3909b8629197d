"""How a server did, from its recorded transitions and its latest figures. No I/O."""

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple

from toolgate.model.transition import Transition

__all__ = ["CheckResult", "Checked", "Condition", "Health", "Reliability", "assess", "overall", "reliability"]

_READY: Final = "ready"
_IDLE: Final = "idle"
_STARTING: Final = "starting"
_STOPPED: Final = "stopped"
_AT_REST: Final = frozenset({"stopped", "idle"})  # on purpose
_FAILED_CHECKS: Final = 3  # in a row, until a server that says it is ready is not believed
_ERROR_SHARE: Final = 0.05
_FEW_CALLS: Final = 10  # fewer say nothing about a share


class Condition(StrEnum):
    HEALTHY = "healthy"
    STARTING = "starting"
    DEGRADED = "degraded"  # it answers, and not as it should
    UNHEALTHY = "unhealthy"
    STOPPED = "stopped"  # by a person


class Health(NamedTuple):
    """`reason` is empty for a healthy server."""

    condition: Condition
    reason: str = ""


class CheckResult(NamedTuple):
    """The latest of the regular checks: when, how long it took in seconds, what went wrong, and how often in a row."""

    at: float
    seconds: float
    error: str = ""
    failures: int = 0


class Reliability(NamedTuple):
    """`uptime` is a share from 0 to 1; `mtbf` and `mttr` are in seconds. None where nothing was seen of it."""

    uptime: float | None
    mtbf: float | None
    mttr: float | None
    outages: int


class _Span(NamedTuple):
    state: str
    start: float
    end: float


def reliability(transitions: Sequence[Transition], since: float, until: float) -> Reliability:
    """Of one server, whose transitions come in order, over a window.

    Time in which nobody watched does not count: before the first transition, while the server was at rest on purpose,
    and between the last word of a gateway that ended without one and the next gateway's first. A start that succeeds
    is no outage, and its time counts for neither side; any other time that is not `ready` is one outage, up to the
    moment the server is ready again. MTBF is the time ready for each outage that began within the window, MTTR the
    mean length of the outages that ended in it.
    """
    ready = down = repaired = 0.0
    began = ended = 0
    for outage in _runs(_spans(transitions, until)):
        start, end = max(outage.start, since), min(outage.end, until)
        if outage.state == _READY:
            ready += max(0.0, end - start)
            continue
        if outage.state not in _AT_REST and end > start:
            down += end - start
            began += since <= outage.start < until
            if outage.end < until:  # and not merely still going on
                ended += 1
                repaired += outage.end - outage.start
    seen = ready + down
    return Reliability(
        uptime=ready / seen if seen > 0 else None,
        mtbf=ready / began if began else None,
        mttr=repaired / ended if ended else None,
        outages=began,
    )


def _spans(transitions: Sequence[Transition], until: float) -> Iterable[_Span]:
    """Which state held from when to when, without the time in which nobody watched."""
    for one, following in pairwise(transitions):
        yield _Span(_STOPPED if not following.before else one.after, one.at, following.at)
    if transitions:
        yield _Span(transitions[-1].after, transitions[-1].at, max(until, transitions[-1].at))


def _runs(spans: Iterable[_Span]) -> Iterable[_Span]:
    """Ready times, stopped times and whole outages: from the moment a server was lost until it is ready again. A first
    start that leads straight to `ready`, or has not ended yet, is no outage."""
    outage: list[_Span] = []
    was_ready = False
    for span in spans:
        if span.state != _READY and span.state not in _AT_REST:
            outage.append(span)
            continue
        yield from _outage(outage, was_ready)
        outage = []
        was_ready = span.state == _READY
        yield span
    yield from _outage(outage, was_ready)


def _outage(spans: Sequence[_Span], was_ready: bool) -> Iterable[_Span]:
    if spans and not was_ready and all(span.state == _STARTING for span in spans):
        yield _Span(_STOPPED, spans[0].start, spans[-1].end)
    elif spans:
        yield _Span("down", spans[0].start, spans[-1].end)


def assess(state: str, reason: str, check: CheckResult | None, calls: int, faults: int) -> Health:
    """`state` and `reason` are the supervisor's, `calls` and `faults` those of the last minutes."""
    if state == _STARTING:
        return Health(Condition.STARTING, reason or "it is being started")
    if state == _IDLE:
        return Health(Condition.HEALTHY)  # the next call starts it
    if state == _STOPPED:
        return Health(Condition.STOPPED, reason or "somebody has stopped it")
    if state != _READY:
        return Health(Condition.UNHEALTHY, reason or f"it is {state}")
    if check is not None and check.failures >= _FAILED_CHECKS:
        return Health(Condition.UNHEALTHY, f"{check.failures} checks in a row failed: {check.error}")
    if check is not None and check.failures:
        return Health(Condition.DEGRADED, f"the last check failed: {check.error}")
    if calls >= _FEW_CALLS and faults / calls >= _ERROR_SHARE:
        return Health(Condition.DEGRADED, f"{faults} of {calls} calls failed in the last minutes")
    return Health(Condition.HEALTHY)


def overall(conditions: Iterable[Condition]) -> Condition:
    """Of the gateway, leaving out what people have stopped: unhealthy where no server can be used, degraded where one
    cannot be used as it should."""
    found = set(conditions) - {Condition.STOPPED}
    if not found or found == {Condition.HEALTHY}:
        return Condition.HEALTHY
    if found == {Condition.UNHEALTHY}:
        return Condition.UNHEALTHY
    return Condition.STARTING if found <= {Condition.HEALTHY, Condition.STARTING} else Condition.DEGRADED


class Checked:
    """What the regular checks found last, by server."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` tells seconds since the epoch."""
        self._clock = clock
        self._results: dict[str, CheckResult] = {}

    def note(self, server: str, seconds: float, error: str) -> None:
        before = self._results.get(server)
        failures = (before.failures if before is not None else 0) + 1 if error else 0
        self._results[server] = CheckResult(self._clock(), seconds, error, failures)

    def get(self, server: str) -> CheckResult | None:
        return self._results.get(server)

    def keep(self, servers: Iterable[str]) -> None:
        """Forget all others."""
        wanted = set(servers)
        self._results = {name: result for name, result in self._results.items() if name in wanted}

    def failures(self) -> Iterable[tuple[tuple[str, ...], float]]:
        """For `toolgate_server_check_failures`."""
        return [((name,), result.failures) for name, result in self._results.items()]
