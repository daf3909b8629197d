"""Several ways to the same server, measured in turn, so that what disturbs one disturbs all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.child import Child
from bench.load import Load, load
from bench.plan import Plan
from bench.wire import Caller, connected

__all__ = ["Samples", "Way", "added", "failures", "measured", "ratio"]

_Load = Callable[[Caller, bytes, int, int], Any]


@dataclass(frozen=True)
class Way:
    """`child` is the process whose time is counted; none for the direct way."""

    label: str
    caller: Caller
    request: bytes
    child: Child | None = None


@dataclass
class Samples:
    """One value a round. p50 and p99 in µs; `cpu` in µs a request; `busy` is the share of its core that it took."""

    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    failed: int = 0

    def add(self, taken: Load, cpu: float | None) -> None:
        self.p50.append(taken.p50)
        self.p99.append(taken.p99)
        self.rate.append(taken.rate)
        self.failed += taken.failed
        if cpu is not None:
            self.cpu.append(cpu / max(1, taken.requests) * 1e6)
            self.busy.append(cpu / taken.seconds)


async def measured(
    ways: Sequence[Way], plan: Plan, width: int, by: _Load = load, seconds: int = 0
) -> dict[str, Samples]:
    """By label. Each is asked once before, which must succeed, and warmed up for a second.

    `seconds` is how long each is measured where it is not what the plan says.
    """
    for way in ways:
        await _answers(way)
        await by(way.caller, way.request, width, 1)
    samples = {way.label: Samples() for way in ways}
    for number in range(plan.rounds):
        shift = number % len(ways)
        for way in (*ways[shift:], *ways[:shift]):
            before = way.child.cpu() if way.child else 0.0
            taken = await by(way.caller, way.request, width, seconds or plan.seconds)
            samples[way.label].add(taken, way.child.cpu() - before if way.child else None)
    for way in ways:
        await _answers(way)
    return samples


async def _answers(way: Way) -> None:
    async with connected(way.caller) as connection:
        answer = await connection.ask(way.request)
    assert answer.succeeded, f"{way.label}: {answer}"


def ratio(one: Sequence[float], other: Sequence[float]) -> list[float]:
    """Of each round."""
    return [a / b for a, b in zip(one, other, strict=True) if b]


def added(one: Sequence[float], other: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(one, other, strict=True)]


def failures(samples: Mapping[str, Samples]) -> list[str]:
    return [f"{label}: {taken.failed} requests failed" for label, taken in samples.items() if taken.failed]
