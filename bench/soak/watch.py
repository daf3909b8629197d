"""What is seen from outside while it runs: outcomes, memory, descriptors, latency, window by window."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from bench.child import Child
from bench.flow import Asked
from bench.table import AtMost, Row, middle, quantile

__all__ = ["Watch"]

_WRONG = {"wrong", "silent"}
_TOLD = 5  # answers that should have been others


@dataclass
class Watch:
    """`answered` counts calls that were answered at all, which is what must be in the audit."""

    child: Child
    answered: int = 0
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    descriptors: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    _window: list[float] = field(default_factory=list)

    def heard(self, asked: Asked) -> None:
        self.outcomes.setdefault(asked.route.name, Counter())[asked.outcome] += 1
        self.answered += asked.answer is not None
        if asked.route.steady:
            self._window.append(asked.seconds * 1e3)
        if asked.outcome in _WRONG or (asked.route.steady and asked.outcome != "right"):
            said = asked.answer.body[:200].decode(errors="replace") if asked.answer else ""
            if len(self.wrong) < _TOLD:
                self.wrong.append(f"{asked.route.name}: {asked.outcome} {said}")

    async def look(self, pause: float) -> None:
        """One window after the other."""
        while True:
            await asyncio.sleep(pause)
            self.memory.append(self.child.memory())
            self.descriptors.append(self.child.descriptors())
            taken, self._window = self._window, []
            if taken:
                self.p99.append(quantile(taken, 0.99))
                self.rate.append(len(taken) / pause)

    def rows(self) -> list[Row]:
        wrong = sum(count for each in self.outcomes.values() for outcome, count in each.items() if outcome in _WRONG)
        unsteady = sum(count for outcome, count in self.outcomes.get("steady", Counter()).items() if outcome != "right")
        rows = [
            Row("calls", [float(sum(sum(each.values()) for each in self.outcomes.values()))], ""),
            Row("wrong answers, and none at all", [float(wrong)], "", AtMost(0)),
            Row("calls to the steady server that did not succeed", [float(unsteady)], "", AtMost(0)),
        ]
        for name, each in self.outcomes.items():
            rows += [Row(f"{name}: {outcome}", [float(count)], "") for outcome, count in sorted(each.items())]
        rows.append(Row("p99 of the steady server, a window", self.p99, "ms"))
        rows.append(Row("calls answered by the steady server", self.rate, "/s"))
        return [*rows, *_flat("memory (PSS)", self.memory, "MB"), *_flat("descriptors", self.descriptors, "")]


def _flat(what: str, values: list[float], unit: str) -> list[Row]:
    """The last quarter against the second; the first is warming up."""
    quarter = len(values) // 4
    if not quarter:
        return [Row(what, values, unit)]
    early, late = values[quarter : 2 * quarter], values[-quarter:]
    grown = middle(late) / middle(early)
    return [Row(what, values, unit), Row(f"{what}, last quarter of the second", [grown], "x", AtMost(1.1))]
