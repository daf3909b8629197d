"""What a worker is given when it is forked."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from toolgate.inbound.elsewhere import Place
from toolgate.workers.buckets import SharedBuckets
from toolgate.workers.doors import Doors
from toolgate.workers.loads import Loads

__all__ = ["DRAINED", "READY", "Seat", "Work"]

READY: Final = b"r"
DRAINED: Final = b"d"


@dataclass(frozen=True, slots=True)
class Seat:
    """`parent` is the id of the process that started it and `again` says that it is not the first on this seat.
    `token` lets this user's own programs in, `password` opens the doors of the workers. `lifeline` is a descriptor that
    ends when the worker should, `report` one that the parent reads."""

    place: Place
    parent: int
    again: bool
    token: str = field(repr=False)
    password: str = field(repr=False)
    doors: Doors = field(repr=False)
    buckets: SharedBuckets = field(repr=False)
    loads: Loads = field(repr=False)
    lifeline: int
    report: int

    @property
    def number(self) -> int:
        return self.place.number

    @property
    def leads(self) -> bool:
        """Whether this is the one that speaks for all, and watches over all servers."""
        return self.place.number == 0

    @property
    def is_orphan(self) -> bool:
        """The parent was killed."""
        return os.getppid() != self.parent

    def tell(self, news: bytes) -> None:
        """`READY` or `DRAINED`, to the parent."""
        try:
            os.write(self.report, news)
        except OSError:
            return  # it is gone, and the lifeline with it


Work = Callable[[Seat], int]
"""What a worker does; the answer is its exit code."""
