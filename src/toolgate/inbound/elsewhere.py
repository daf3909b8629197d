"""Which of the workers of one gateway holds what a request is about."""

from typing import Final, NamedTuple

__all__ = ["ALONE", "Elsewhere", "Place", "marked"]

_DIGITS: Final = 4


class Elsewhere(Exception):
    """The request has to be answered by another worker. Nothing was answered yet."""

    def __init__(self, worker: int) -> None:
        super().__init__(f"worker {worker}")
        self.worker = worker


class Place(NamedTuple):
    """This worker, which is one `among` so many. What it gives into the hands of clients begins with its number."""

    number: int
    among: int

    @property
    def mark(self) -> str:
        return f"{self.number}." if self.among > 1 else ""

    def check(self, worker: int) -> None:
        """Raises `Elsewhere` where another worker holds what that number was given to. After a start with fewer workers
        than before, one of those that are left stands in for it."""
        if worker % self.among != self.number:
            raise Elsewhere(worker % self.among)


ALONE: Final = Place(0, 1)


def marked(token: str) -> tuple[int, str]:
    """The number that a token begins with, 0 where it has none, and the rest of it."""
    mark, _, rest = token.rpartition(".")
    return (int(mark) if mark.isascii() and mark.isdigit() and len(mark) <= _DIGITS else 0), rest
