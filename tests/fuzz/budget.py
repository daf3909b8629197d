"""How long the wire is fuzzed, and with which dice.

`TOOLGATE_FUZZ_SECONDS` is CPU time of this process for all the tests together, 60 where it is not set;
`TOOLGATE_FUZZ_SEED` makes other inputs. Each input has dice of its own, so that what failed can be made again alone.
"""

import math
import os
import time
from collections.abc import Iterator
from random import Random
from typing import Any, Final

import pytest

__all__ = ["Turn", "turns"]

_SECONDS: Final = float(os.environ.get("TOOLGATE_FUZZ_SECONDS", "60"))
_SEED: Final = os.environ.get("TOOLGATE_FUZZ_SEED", "1")
_TURN: Final = 20.0  # CPU seconds at most that one test takes at a time
_WALL: Final = 3.0  # what waits for timeouts uses little CPU and ends all the same after so many times its share
_SHARES: Final = {
    "messages": 0.25,
    "heads": 0.15,
    "cuts": 0.05,
    "pipelines": 0.1,
    "readers": 0.1,
    "stdio": 0.1,
    "endpoint": 0.15,
    "express": 0.1,
}


class Turn:
    """A share of the time, and the dice of each input that is made in it."""

    def __init__(self, test: str, number: int, seconds: float) -> None:
        self.name = f"{_SEED}:{test}:{number}"
        self.seconds = seconds
        self.made = 0

    def dice(self) -> Iterator[Random]:
        """At least one, then as many as the time allows."""
        cpu, wall = time.process_time(), time.monotonic()
        while not self.made or (
            time.process_time() - cpu < self.seconds and time.monotonic() - wall < self.seconds * _WALL
        ):
            self.made += 1
            yield Random(f"{self.name}:{self.made}")  # noqa: S311  # nothing secret

    def __str__(self) -> str:
        return f"seed {self.name}:{self.made}"


def turns(test: str) -> pytest.MarkDecorator:
    """Give a test its share, in turns short enough for the limit that holds for every test."""
    share = _SECONDS * _SHARES[test]
    count = max(1, math.ceil(share / _TURN))
    made: list[Any] = [pytest.param(Turn(test, number, share / count), id=str(number)) for number in range(count)]
    return pytest.mark.parametrize("turn", made)
