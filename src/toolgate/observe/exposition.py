"""The figures of one or several workers as the text that Prometheus reads."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from toolgate.observe.families import BOUNDS, FAMILIES, Family, Kind, Merge
from toolgate.observe.metrics import Labels, Snapshot

__all__ = ["OPENMETRICS", "TEXT", "exposition", "media_type", "paced"]

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_AT_ONCE: Final = 500  # lines
_EDGES: Final = (*(repr(bound) for bound in BOUNDS), "+Inf")


def media_type(accept: str | None) -> str:
    """Which of the two formats an `Accept` header asks for. Prometheus names OpenMetrics only where it wants it."""
    return OPENMETRICS if "application/openmetrics-text" in (accept or "") else TEXT


def exposition(snapshots: Sequence[Snapshot], form: str = TEXT) -> bytes:
    """Text format 0.0.4, or OpenMetrics 1.0."""
    return _joined([*_lines(snapshots, form)])


async def paced(snapshots: Sequence[Snapshot], form: str = TEXT) -> bytes:
    """The same, a few lines at a time: thousands of servers must not hold up the calls. A thread would, by holding the
    interpreter's lock for 5 ms at a time."""
    lines: list[str] = []
    for line in _lines(snapshots, form):
        lines.append(line)
        if len(lines) % _AT_ONCE == 0:
            await asyncio.sleep(0)
    return _joined(lines)


def _joined(lines: Sequence[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode() if lines else b""


def _lines(snapshots: Sequence[Snapshot], form: str) -> Iterable[str]:
    is_open = form == OPENMETRICS
    for family in FAMILIES.values():
        is_silent = True
        for line in _spreads(family, snapshots) if family.kind is Kind.HISTOGRAM else _values(family, snapshots):
            if is_silent:
                is_silent = False
                name = family.name.removesuffix("_total") if is_open and family.kind is Kind.COUNTER else family.name
                yield f"# HELP {name} {_escaped_help(family.help)}"
                yield f"# TYPE {name} {family.kind}"
            yield line
    if is_open:
        yield "# EOF"


def _values(family: Family, snapshots: Iterable[Snapshot]) -> Iterable[str]:
    merged: dict[Labels, float] = {}
    by_worker = family.merge is Merge.WORKER
    for snapshot in snapshots:
        for labels, value in snapshot.values.get(family.name, ()):
            key = (*labels, snapshot.worker) if by_worker else tuple(labels)
            before = merged.get(key)
            if before is None:
                merged[key] = value
            else:
                merged[key] = max(before, value) if family.merge is Merge.MAX else before + value
    names = (*family.labels, "worker") if by_worker else family.labels
    for key, value in sorted(merged.items()):
        yield f"{family.name}{_labels(names, key)} {_number(value)}"


def _spreads(family: Family, snapshots: Iterable[Snapshot]) -> Iterable[str]:
    merged: dict[Labels, tuple[list[int], float]] = {}
    for snapshot in snapshots:
        for labels, counts, total in snapshot.spreads.get(family.name, ()):
            before, sum_before = merged.get(labels, ([0] * len(_EDGES), 0.0))
            merged[labels] = [a + b for a, b in zip(before, counts, strict=True)], sum_before + total
    for key, (counts, total) in sorted(merged.items()):
        text = _labels(family.labels, key)
        opened = text[:-1] + ","
        below = 0
        for edge, count in zip(_EDGES, counts, strict=True):
            below += count
            yield f'{family.name}_bucket{opened}le="{edge}"}} {below}'
        yield f"{family.name}_sum{text} {_number(total)}"
        yield f"{family.name}_count{text} {below}"


def _labels(names: Sequence[str], values: Labels) -> str:
    pairs = [f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True) if value]
    return "{" + ",".join(pairs) + "}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _escaped_help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _number(value: float) -> str:
    if value != value:  # noqa: PLR0124  # only NaN is not itself
        return "NaN"
    if value in {float("inf"), float("-inf")}:
        return "+Inf" if value > 0 else "-Inf"
    return repr(int(value)) if value == int(value) else repr(value)
