"""What was recorded, as the API and the command line show it. Read from the database, so also where no gateway runs."""

import csv
import time
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any, Final

from msgspec import to_builtins

from toolgate.errors import InvalidParams
from toolgate.model.usage import Tally, hour_of, total
from toolgate.observe.advice import BYTES_A_TOKEN, Figures, ListedTool, advise, tokens
from toolgate.observe.usage import FOLDED
from toolgate.recording.period import since
from toolgate.store.audit import AuditLog, Search
from toolgate.store.database import Database
from toolgate.store.usage import UsageTable

__all__ = ["BY", "FORMULAS", "Report", "as_csv"]

BY: Final[Mapping[str, tuple[str, ...]]] = {
    "user": ("principal", "principal_name"),
    "team": ("team",),
    "server": ("server",),
    "tool": ("server", "name"),
}
"""What usage can be asked by, and which columns that gives."""

FORMULAS: Final = {
    "success_rate": "ok / (ok + failed + errors); refused and cancelled calls say nothing about the server",
    "p50_ms, p95_ms, p99_ms": "from a histogram of 16 buckets, evenly spread within each; of ok, failed and errors",
    "tokens": f"an estimate: (sent + received) / {BYTES_A_TOKEN} bytes of JSON",
    "listings.tokens": f"an estimate: bytes of all tools that the endpoint lists / {BYTES_A_TOKEN}, for each listing",
    "listings.saved": "tokens of /mcp - tokens of this endpoint: what its clients need not read, for each listing",
}

_MOST: Final = 1000  # records of one answer
_COUNTS: Final = ("calls", "ok", "failed", "errors", "refused", "cancelled", "cached")
_SIZES: Final = ("sent", "received")


class Report:
    """Times are seconds since the epoch, sizes are bytes. Methods raise `StoreError`, and `InvalidParams` for what
    cannot be asked."""

    def __init__(self, database: Database) -> None:
        self._usage = UsageTable(database)
        self._audit = AuditLog(database)

    async def usage(
        self, by: str, period: str, listed: Sequence[ListedTool] = (), listings: Mapping[str, int] | None = None
    ) -> dict[str, Any]:
        """`listed` are the tools of /mcp, among which those without a call are found; `listings` is how many bytes of
        tools each endpoint lists. Whole hours are counted, so the first may have begun before the period."""
        if by not in BY:
            raise InvalidParams(f"usage is not known by {by!r}", hint=f"one of {', '.join(BY)}")
        now = time.time()
        begin = hour_of(since(period, now))
        rows = await self._usage.read(BY[by], begin)
        used = set(await self._used(begin)) if listed else set()
        return {
            "by": by,
            "since": begin,
            "until": now,
            "recorded_since": await self._usage.began(),
            "total": _sums(total(tally for _, tally in rows)),
            "rows": [dict(zip(BY[by], key, strict=True)) | _sums(tally) for key, tally in rows],
            "unused": [
                _unused(tool) for tool in listed if not used & {(tool.server, tool.name), (tool.server, FOLDED)}
            ],
            "listings": _listings(listings or {}),
            "formulas": FORMULAS,
        }

    async def advice(self, period: str, listed: Sequence[ListedTool]) -> dict[str, Any]:
        """Without `listed` there is no advice that needs to know what tools there are."""
        now = time.time()
        begin = hour_of(since(period, now))
        tools = await self._usage.read(("server", "name"), begin, method="tools/call")
        hours = await self._usage.read(("server", "hour"), begin)
        began = await self._usage.began()
        figures = Figures(
            days=round((now - begin) / 86_400),
            watched=now - max(begin, began) if began is not None else 0.0,
            tools={(server, name): tally for (server, name), tally in tools},
            hours={(server, hour): tally for (server, hour), tally in hours},
        )
        found = advise(figures, listed)
        return {"since": begin, "until": now, "advice": to_builtins(found), "formulas": {"tokens": _LISTED_TOKENS}}

    async def audit(
        self, *, server: str = "", principal: str = "", outcome: str = "", period: str = "", most: int = 50
    ) -> dict[str, Any]:
        """The last `most` records, oldest first, each with the fields of `observe.recorded.Recorded`. `searched_since`
        is there only if it took too long to look further back than to that moment."""
        if not 0 < most <= _MOST:
            raise InvalidParams(f"{most} records cannot be asked for", hint=f"at least 1, at most {_MOST} at a time")
        begin = since(period, time.time()) if period else None
        found = await self._audit.search(Search(server, principal, outcome, begin, most))
        told: dict[str, Any] = {"records": found.records}
        return told if found.back_to is None else {**told, "searched_since": found.back_to}

    async def _used(self, begin: float) -> list[tuple[str, str]]:
        called = await self._usage.read(("server", "name"), begin, method="tools/call")
        return [(server, name) for (server, name), _ in called]


_LISTED_TOKENS: Final = f"an estimate: bytes of the JSON of the tools / {BYTES_A_TOKEN}"


def as_csv(report: Mapping[str, Any]) -> str:
    """The rows of a usage report, with a head. What a spreadsheet would take for a formula is made text."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\r\n")  # RFC 4180
    head = [*BY[report["by"]], *_sums(Tally())]
    writer.writerow(head)
    for row in report["rows"]:
        writer.writerow([_cell(row[name]) for name in head])
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return "" if value is None else value


def _sums(tally: Tally) -> dict[str, Any]:
    rate = tally.success_rate
    return {
        **{name: getattr(tally, name) for name in _COUNTS},
        "success_rate": round(rate, 4) if rate is not None else None,
        **{f"p{percent}_ms": _ms(tally.percentile(percent / 100)) for percent in (50, 95, 99)},
        **{name: getattr(tally, name) for name in _SIZES},
        "tokens": tokens(tally.sent + tally.received),
    }


def _ms(seconds: float | None) -> float | None:
    return round(seconds * 1000, 2) if seconds is not None else None


def _unused(tool: ListedTool) -> dict[str, Any]:
    return {"server": tool.server, "name": tool.name, "bytes": tool.size, "tokens": tokens(tool.size)}


def _listings(sizes: Mapping[str, int]) -> list[dict[str, Any]]:
    whole = tokens(sizes.get("/mcp", 0))
    return [
        {"endpoint": endpoint, "tokens": tokens(size), "saved": whole - tokens(size)}
        for endpoint, size in sizes.items()
    ]
