"""Which core does what, so that what is measured has one to itself."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["Cores", "move", "pinned"]


@dataclass(frozen=True)
class Cores:
    """`measured` runs what is measured; `load` those who call; `server` what is called (that of `load`, where there is
    no third). `spare` holds the rest."""

    measured: int
    load: int
    server: int
    spare: tuple[int, ...] = ()

    @classmethod
    def of_this_machine(cls) -> "Cores":
        load, *others = sorted(os.sched_getaffinity(0))
        measured, *others = others or [load]
        server, *others = others or [load]
        return cls(measured, load, server, tuple(others))

    def notes(self) -> list[str]:
        if self.measured == self.load:
            return ["this machine has one core: the load takes its time from what is measured"]
        if self.server == self.load:
            return ["two cores: the load and the server share one, so the direct rate is a ceiling of the rig"]
        return []


@contextmanager
def pinned(*cores: int) -> Iterator[None]:
    """Processes that start inside run on these cores. A process keeps what its parent's thread had."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def move(process: int, core: int) -> None:
    """All threads of a process that runs already."""
    for thread in os.listdir(f"/proc/{process}/task"):
        os.sched_setaffinity(int(thread), {core})
