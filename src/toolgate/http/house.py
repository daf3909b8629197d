"""What the connections of one listener share."""

import asyncio
from typing import TYPE_CHECKING, Protocol

from toolgate.http.application import Application
from toolgate.http.heads import Heads
from toolgate.http.target import Target

if TYPE_CHECKING:
    from toolgate.http.server import Connection

__all__ = ["House"]


class House(Protocol):
    app: Application
    loop: asyncio.AbstractEventLoop
    connections: "set[Connection]"
    closing: bool
    heads: Heads[Target]

    date: bytes
    """The header line of that name."""

    def start(self, connection: "Connection", now: float) -> bool:
        """Whether the request of a connection may be answered. It then is by `run`, at once or soon."""
        ...
