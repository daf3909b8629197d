"""What starts a server, and what a started one is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from toolgate.model.profile import Profile

__all__ = ["Launch", "Output", "Redact", "Running", "Runtime"]

Redact = Callable[[str], str]
"""Takes the secrets that a server was given out of a text that it wrote."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What is run: everything resolved, so its `repr` shows only the command. `environment` is all that the child
    gets. Servers of different owners share nothing."""

    command: str
    args: tuple[str, ...] = field(default=(), repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: str | None = None
    profile: Profile = Profile()
    owner: str = ""


class Output(Protocol):
    """Who reads a process. Called on the event loop; must not block."""

    def line(self, line: bytes) -> None:
        """One line of standard output, without its newline."""

    def oversized(self, head: bytes, tail: bytes, size: int) -> None:
        """A line over the limit was skipped; at most 512 bytes of each of its ends are left."""

    def said(self, text: str) -> None:
        """One line for the server's log, redacted: what it wrote to standard error, or what its sandbox says of it."""

    def ended(self, reason: str) -> None:
        """The process is gone and nothing more comes. `reason` is for a person: `exited with code 1: <last words>`."""


class Running(Protocol):
    """A started process."""

    @property
    def pid(self) -> int: ...

    async def ready(self) -> None:
        """Wait while the process does not read what came before. Whoever has much to write builds it after this, so
        that what waits is small."""
        ...

    @property
    def reads(self) -> bool:
        """Whether `ready` would return at once."""
        ...

    def write(self, line: bytes) -> None:
        """Write a line; its newline is added. Nothing happens when the process no longer reads: its end is near."""
        ...

    def post(self, line: bytes) -> bool:
        """Write a line without waiting; False, and nothing written, when too much is unread already."""
        ...

    def last_words(self) -> str:
        """The last line of standard error, redacted; empty where there is none."""
        ...

    async def stop(self, grace: float) -> None:
        """End it and everything that it started, within about `grace` + 3 seconds. May be called more than once."""
        ...


class Runtime(Protocol):
    """How a process is started: `runtime.process.start`, or inside a sandbox."""

    async def __call__(self, name: str, launch: Launch, output: Output, *, limit: int, redact: Redact) -> Running:
        """`name` is the server's, for logs; `limit` is in bytes a line. Raises `StartFailed`."""
        ...
