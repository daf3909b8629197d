"""What a row says, and how rows are printed."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Row", "quantile", "show"]


@dataclass(frozen=True)
class Row:
    """One thing measured several times. `values` are in `unit`."""

    what: str
    values: Sequence[float]
    unit: str = "µs"

    def cells(self) -> tuple[str, str, str]:
        low, middle, high = min(self.values), statistics.median(self.values), max(self.values)
        return self.what, f"{middle:,.0f} {self.unit}", f"{low:,.0f} to {high:,.0f}"


def quantile(taken: Sequence[float], share: float) -> float:
    """Microseconds within which that share of the requests was answered."""
    return sorted(taken)[min(len(taken) - 1, int(len(taken) * share))] * 1e6


def show(title: str, rows: Sequence[Row]) -> None:
    cells = [("", "median", "spread"), *(row.cells() for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(3)]
    print(f"\n{title}")
    for row in cells:
        print("  ".join((row[0].ljust(widths[0]), row[1].rjust(widths[1]), row[2].rjust(widths[2]))).rstrip())
