"""What was measured, against which bar, and how it is printed."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["AtLeast", "AtMost", "Bar", "Row", "Table", "middle", "quantile", "show"]


@dataclass(frozen=True)
class AtMost:
    limit: float

    def holds(self, value: float) -> bool:
        return value <= self.limit

    def __str__(self) -> str:
        return f"≤ {_number(self.limit)}"


@dataclass(frozen=True)
class AtLeast:
    limit: float

    def holds(self, value: float) -> bool:
        return value >= self.limit

    def __str__(self) -> str:
        return f"≥ {_number(self.limit)}"


Bar = AtMost | AtLeast


@dataclass(frozen=True)
class Row:
    """One thing measured several times. `values` are in `unit`, one a round; the median is held to the bar."""

    what: str
    values: Sequence[float]
    unit: str = "µs"
    bar: Bar | None = None

    def cells(self) -> tuple[str, str, str, str]:
        if not self.values:
            return self.what, "-", "", str(self.bar or "")
        spread = f"{_number(min(self.values))} to {_number(max(self.values))}" if len(self.values) > 1 else ""
        return self.what, f"{_number(middle(self.values))} {self.unit}".rstrip(), spread, self.verdict()

    def verdict(self) -> str:
        if self.bar is None:
            return ""
        return f"{self.bar} {'met' if self.bar.holds(middle(self.values)) else 'MISSED'}"

    def facts(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "unit": self.unit,
            "values": list(self.values),
            "median": middle(self.values) if self.values else None,
            "bar": str(self.bar) if self.bar else None,
            "met": self.bar.holds(middle(self.values)) if self.bar and self.values else None,
        }


@dataclass
class Table:
    """`notes` say what a reader must know to read the figures right: what was left out, and why."""

    title: str
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def facts(self) -> dict[str, Any]:
        return {"title": self.title, "rows": [row.facts() for row in self.rows], "notes": self.notes}


def middle(values: Sequence[float]) -> float:
    return statistics.median(values)


def quantile(taken: Sequence[float], share: float) -> float:
    """The value that this share of those taken does not exceed."""
    return sorted(taken)[min(len(taken) - 1, int(len(taken) * share))]


def show(table: Table) -> None:
    cells = [("", "median", "spread", "bar"), *(row.cells() for row in table.rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    print(f"\n{table.title}", flush=True)
    for name, median, spread, bar in cells if table.rows else ():
        line = (name.ljust(widths[0]), median.rjust(widths[1]), spread.rjust(widths[2]), bar)
        print(("  " + "  ".join(line)).rstrip())
    for note in table.notes:
        print(f"  note: {note}")


def _number(value: float) -> str:
    if value and abs(value) < 10:
        return f"{value:.3g}"
    return f"{value:,.0f}"
