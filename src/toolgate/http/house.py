"""What the connections of one listener share."""

import asyncio
from typing import Any, Protocol

from toolgate.http.application import Application
from toolgate.http.heads import Heads
from toolgate.http.target import Target

__all__ = ["Guest", "House"]


class Guest(Protocol):
    """A connection, whose request may have to wait for its turn."""

    def run(self) -> None:
        """Begin to answer."""
        ...


class House(Protocol):
    app: Application
    loop: asyncio.AbstractEventLoop
    connections: set[Any]  # of guests
    closing: bool
    heads: Heads[Target]

    date: bytes
    """The header line of that name."""

    def start(self, connection: Guest, now: float) -> bool:
        """Whether the request of a connection may be answered. It then is by `run`, at once or soon."""
        ...
