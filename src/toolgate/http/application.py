"""What answers the requests of a listener."""

from collections.abc import Awaitable
from typing import Protocol

from toolgate.http.request import Answer, Request

__all__ = ["Application"]


class Application(Protocol):
    def admit(self, request: Request) -> int | Answer:
        """Called with the head of a request: how many bytes its body may have, or what it is refused with."""
        ...

    def too_large(self) -> Answer:
        """For a body that turned out to be larger."""
        ...

    def too_busy(self) -> Answer:
        """For a request that there is no room for."""
        ...

    def at_once(self, request: Request) -> bool:
        """Take on a request whose head came before, if that needs no task; False leaves it to be called for, and
        nothing has been done."""
        ...

    def __call__(self, request: Request) -> Awaitable[None]:
        """Answer a request. Cancelled when the server cannot wait any longer."""
        ...
