"""What the figures suggest. Pure: from sums of usage and what is listed, to sentences that say what they rest on."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from math import sqrt
from typing import Any, Final, Literal

import msgspec

from toolgate.model.usage import Tally, total
from toolgate.observe.usage import FOLDED

__all__ = ["BYTES_A_TOKEN", "Advice", "Figures", "ListedTool", "advise", "tokens"]

BYTES_A_TOKEN: Final = 4
"""An estimate for JSON in English; models differ by a third to either side."""

_DAY: Final = 86_400
_WATCHED: Final = 7 * _DAY  # seconds before a tool can be called unused
_DAYS: Final = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")

Kind = Literal["prune", "cache", "failing", "slow", "refused"]


class ListedTool(msgspec.Struct, frozen=True):
    """A tool that is listed now. `size` is the bytes of its JSON; the rest are hints of its server about it."""

    server: str
    name: str
    size: int
    read_only: bool = False
    idempotent: bool = False


class Figures(msgspec.Struct, frozen=True):
    """What was called in the `days` that are looked at; `watched` is how many seconds of them were recorded.

    `tools` are by server and tool, `hours` by server and hour (its first second, since the epoch).
    """

    days: int
    watched: float
    tools: Mapping[tuple[str, str], Tally]
    hours: Mapping[tuple[str, int], Tally]


class Advice(msgspec.Struct, frozen=True):
    """One suggestion: `text` says what was found, `figures` what that rests on, `action` what to do about it."""

    kind: Kind
    subject: str
    text: str
    figures: dict[str, Any]
    action: str


def tokens(size: int) -> int:
    """About how many tokens of a model these bytes of JSON are."""
    return round(size / BYTES_A_TOKEN)


def advise(figures: Figures, listed: Sequence[ListedTool]) -> list[Advice]:
    """`listed` are all tools that a client of the gateway gets."""
    return [
        *_prune(figures, listed),
        *_cache(figures, listed),
        *_failing(figures.hours),
        *_slow(figures.tools),
        *_refused(figures.tools),
    ]


def _prune(figures: Figures, listed: Sequence[ListedTool], least: int = 200) -> Iterable[Advice]:
    """Tools that nobody called, where they cost at least this many tokens a listing and were watched long enough."""
    if figures.watched < _WATCHED:
        return
    days = min(figures.days, int(figures.watched / _DAY))
    for server in dict.fromkeys(tool.server for tool in listed):
        if (server, FOLDED) in figures.tools:
            continue  # some of its calls are known without the tool's name
        offered = [tool for tool in listed if tool.server == server]
        unused = [tool for tool in offered if not _calls(figures, tool)]
        size = sum(tool.size for tool in unused)
        if tokens(size) < least:
            continue
        which = f"{'these' if len(unused) < len(offered) else 'all'} {len(unused)} tools"
        if len(unused) == 1:
            which = unused[0].name
        yield Advice(
            "prune",
            server,
            f"prune {which} of {server}: {tokens(size):,} tokens a listing, and no call in {days} days",
            {
                "tools": [tool.name for tool in unused],
                "of": len(offered),
                "bytes": size,
                "tokens": tokens(size),
                "days": days,
            },
            "give clients a virtual server that picks the others (`virtual_servers` in toolgate.yaml)"
            if len(unused) < len(offered)
            else f"leave {server} out (`disabled: true`), or out of the virtual servers that clients use",
        )


def _cache(figures: Figures, listed: Sequence[ListedTool], least: int = 100, slow: float = 0.05) -> Iterable[Advice]:
    """Reads that are called often and take a while (seconds at the median), and are seldom answered from a cache."""
    for tool in listed:
        tally = figures.tools.get((tool.server, tool.name))
        if tally is None or not (tool.read_only and tool.idempotent) or tally.answered < least:
            continue
        median = tally.percentile(0.5) or 0.0
        if median < slow or tally.cached * 2 > tally.answered:
            continue
        yield Advice(
            "cache",
            f"{tool.server}/{tool.name}",
            f"cache {tool.name} of {tool.server}: a read that was called {tally.answered:,} times and takes "
            f"{_ms(median)}; its server says that it changes nothing and may be repeated",
            {
                "calls": tally.answered,
                "cached": tally.cached,
                "p50_ms": _ms_of(median),
                "seconds": round(tally.seconds, 1),
                "days": figures.days,
            },
            f"if answers may be a minute old, write `cache: {{{tool.name}: 60}}` at {tool.server} in toolgate.yaml; "
            "how many calls had the same arguments is not recorded",
        )


def _failing(hours: Mapping[tuple[str, int], Tally], share: float = 0.05, least: int = 10) -> Iterable[Advice]:
    """Servers with at least this share and this many of answered calls that failed; on one day of the week (UTC), if it
    stands out from the others."""
    for server in dict.fromkeys(server for server, _ in hours):
        whole = total(tally for (name, _), tally in hours.items() if name == server)
        by_day: dict[int, list[tuple[int, Tally]]] = {}
        for (name, hour), tally in hours.items():
            if name == server and tally.answered:
                by_day.setdefault(datetime.fromtimestamp(hour, UTC).weekday(), []).append((hour, tally))
        if (day := _standing_out(by_day, whole)) is not None:
            yield _failing_on(server, day, total(tally for _, tally in by_day[day]), whole)
        elif _bad(whole) >= max(least, share * whole.answered):
            yield _failing_always(server, whole)


def _standing_out(by_day: Mapping[int, list[tuple[int, Tally]]], whole: Tally) -> int | None:
    """The day of the week whose calls fail more often than the others' by more than chance: three standard errors,
    twice as often, at least 10 failures, and seen in two weeks, since one bad day says nothing of its name."""
    for day, hours in by_day.items():
        there = total(tally for _, tally in hours)
        elsewhere = whole.answered - there.answered
        if not elsewhere or _bad(there) < 10 or len({hour // _DAY for hour, tally in hours if _bad(tally)}) < 2:
            continue
        rate, others = _bad(there) / there.answered, (_bad(whole) - _bad(there)) / elsewhere
        pooled = _bad(whole) / whole.answered
        error = sqrt(pooled * (1 - pooled) * (1 / there.answered + 1 / elsewhere))
        if rate >= 2 * others and rate - others > 3 * error:
            return day
    return None


def _failing_on(server: str, day: int, there: Tally, whole: Tally) -> Advice:
    rate, elsewhere = _bad(there) / there.answered, whole.answered - there.answered
    others = (_bad(whole) - _bad(there)) / elsewhere
    return Advice(
        "failing",
        server,
        f"{server} fails {_percent(rate)} of its calls on {_DAYS[day]} (UTC), and {_percent(others)} on other days",
        {**_failures(there), "day": _DAYS[day], "other_days": {"calls": elsewhere, "rate": round(others, 4)}},
        f"see what happens on its side on {_DAYS[day]}; `toolgate audit --server {server} --outcome error`",
    )


def _failing_always(server: str, whole: Tally) -> Advice:
    return Advice(
        "failing",
        server,
        f"{server} fails {_percent(_bad(whole) / whole.answered)} of its calls",
        _failures(whole),
        f"`toolgate doctor {server}`, and `toolgate audit --server {server} --outcome error`",
    )


def _slow(tools: Mapping[tuple[str, str], Tally], limit: float = 5.0, least: int = 20) -> Iterable[Advice]:
    """Tools of which one call in twenty takes longer than this (seconds)."""
    for (server, name), tally in tools.items():
        late = tally.percentile(0.95)
        if late is None or late < limit or tally.answered < least:
            continue
        median = tally.percentile(0.5) or 0.0
        yield Advice(
            "slow",
            f"{server}/{name}",
            f"{name} of {server} is slow: one call in twenty takes more than {_ms(late)}, the median is {_ms(median)}",
            {"calls": tally.answered, "p50_ms": _ms_of(median), "p95_ms": _ms_of(late)},
            "see what it waits for; `tool_timeouts` in toolgate.yaml bounds how long a call may take",
        )


def _refused(tools: Mapping[tuple[str, str], Tally], least: int = 10) -> Iterable[Advice]:
    for (server, name), tally in tools.items():
        if tally.refused < least or tally.answered:
            continue
        yield Advice(
            "refused",
            f"{server}/{name}",
            f"{name} of {server} was called {tally.refused:,} times, and refused each time",
            {"refused": tally.refused, "bytes": tally.sent},
            f"`toolgate audit --server {server}` says why: let these callers use it, or show it to them no more",
        )


def _calls(figures: Figures, tool: ListedTool) -> int:
    tally = figures.tools.get((tool.server, tool.name))
    return tally.calls if tally is not None else 0


def _bad(tally: Tally) -> int:
    return tally.failed + tally.errors


def _failures(tally: Tally) -> dict[str, Any]:
    rate = _bad(tally) / tally.answered
    return {"calls": tally.answered, "failed": tally.failed, "errors": tally.errors, "rate": round(rate, 4)}


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 or not share else "under 1%"


def _ms_of(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
