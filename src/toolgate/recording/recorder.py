"""What the road of a call knows of recording: one object that takes what was called."""

from collections.abc import Callable, Sequence
from typing import Final, Self

from msgspec.structs import replace

from toolgate.observe.recorded import Recorded
from toolgate.observe.ring import Ring
from toolgate.observe.usage import Usage
from toolgate.recording.retention import Retention
from toolgate.recording.writer import Writer
from toolgate.store.database import Database

__all__ = ["Recorder", "Sink"]

Sink = Callable[[Recorded], None]
"""Takes a record at once, does not raise, and does not keep what grows."""

_NAME: Final = 512  # characters: clients choose URIs, and the ring is bounded in records

_SEEN: Final = 2048
"""Names that need not be looked at again."""


class Recorder:
    """Made and closed in one event loop.

    A stage looks at `full` before it passes a call on, and awaits `room()` while it is set; it gives every call that
    ended, however it did, to `put`. It does not give one that `room()` refused: there is no room for it.
    """

    def __init__(self, ring: Ring, usage: Usage, writer: Writer, retention: Retention, sinks: Sequence[Sink]) -> None:
        self._ring = ring
        self._writer = writer
        self._retention = retention
        self._audit = ring.put
        self._usage = usage.add
        self._sinks = tuple(sinks)
        self._seen: set[str] = set()
        self.waits = 0

    @classmethod
    def open(
        cls,
        database: Database,
        *,
        sinks: Sequence[Sink] = (),
        audit_days: float = 30,
        audit_rows: int = 10_000_000,
        usage_days: float = 400,
        capacity: int = 10_000,
        batch: int = 4000,
    ) -> Self:
        """Writing starts at once. `capacity` is how many records may wait, `batch` how many one transaction writes:
        packing as many as these takes the event loop one or two milliseconds."""
        ring, usage = Ring(capacity, batch), Usage()
        retention = Retention(database, audit_days=audit_days, audit_rows=audit_rows, usage_days=usage_days)
        return cls(ring, usage, Writer(database, ring, usage), retention, sinks)

    def put(self, recorded: Recorded) -> None:
        if recorded.name not in self._seen:
            recorded = self._with_a_writable_name(recorded)
        self._audit(recorded)
        self._usage(recorded)
        for sink in self._sinks:
            sink(recorded)

    @property
    def full(self) -> bool:
        return self._ring.full

    @property
    def waiting(self) -> int:
        """Records that are not in the database yet."""
        return len(self._ring)

    def _with_a_writable_name(self, recorded: Recorded) -> Recorded:
        name = recorded.name
        if len(name) > _NAME or not name.isprintable():
            return replace(recorded, name=_writable(name))
        if len(self._seen) >= _SEEN:
            self._seen.clear()  # clients chose most of them; those of tools are back at once
        self._seen.add(name)
        return recorded

    async def room(self, deadline: float = 5.0) -> None:
        """Wait until calls can be recorded again, for at most `deadline` seconds. Raises `AuditFull`."""
        self.waits += 1
        await self._ring.room(deadline)

    async def flush(self, patience: float = 2.0) -> bool:
        """Whether all that was put before this is in the database now; waits at most `patience` seconds."""
        return await self._writer.flush(patience)

    async def close(self, grace: float = 10.0) -> None:
        """After the last `put`: write what is left, which takes at most `grace` seconds."""
        await self._retention.close()
        await self._writer.close(grace)


def _writable(name: str) -> str:
    """No database refuses it (PostgreSQL takes no NUL, nothing takes half of a surrogate pair), and no terminal that it
    is shown on takes part of it for a command."""
    clean = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in name[: _NAME + 1]
    )
    return clean if len(clean) <= _NAME else f"{clean[: _NAME - 1]}…"
