"""The requests under way on one link, by the ids that the link gave them."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from toolgate.errors import ToolgateError
from toolgate.pipeline.call import Call, Reply
from toolgate.upstream.deadline import Deadline
from toolgate.upstream.sent import Sent

__all__ = ["Entry", "Pending"]


@dataclass(frozen=True, slots=True)
class Entry:
    """`call` is None for a request of the gateway's own."""

    future: asyncio.Future[Reply] | Sent
    call: Call | None
    deadline: Deadline | None


class Pending:
    """Ids are never used twice, so an answer that comes after its request was given up finds nothing."""

    def __init__(self) -> None:
        self._entries: dict[int, Entry] = {}
        self._last = 0

    def open(self, call: Call | None = None, deadline: Deadline | None = None) -> tuple[int, asyncio.Future[Reply]]:
        self._last += 1
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._entries[self._last] = Entry(future, call, deadline)
        return self._last, future

    def enter(self, call: Call, sent: Sent) -> int:
        """A call that no task waits for."""
        self._last += 1
        self._entries[self._last] = Entry(sent, call, None)
        return self._last

    def adopt(self, key: int, call: Call, deadline: Deadline) -> None:
        """A task has taken that call over, as `call`."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries[key] = Entry(entry.future, call, deadline)

    def find(self, key: int | None) -> Entry | None:
        return self._entries.get(key) if key is not None else None

    def forget(self, key: int) -> None:
        self._entries.pop(key, None)

    def calls(self) -> Iterator[tuple[int, Call]]:
        return ((key, entry.call) for key, entry in self._entries.items() if entry.call is not None)

    def latest(self) -> Entry | None:
        """The call that was sent last, where all of them are one principal's."""
        entries = [entry for entry in self._entries.values() if entry.call is not None]
        principals = {entry.call.principal.id for entry in entries if entry.call is not None}
        return entries[-1] if len(principals) == 1 else None

    def settle(self, key: int | None, reply: Reply) -> bool:
        """False for an id that nobody waits for (any more)."""
        entry = self._entries.pop(key, None) if key is not None else None
        if entry is None:
            return False
        if not entry.future.done():
            entry.future.set_result(reply)
        return True

    def fail(self, key: int | None, error: ToolgateError) -> None:
        if key is not None and (entry := self._entries.pop(key, None)):
            _fail(entry.future, error)

    def fail_all(self, error: ToolgateError) -> None:
        entries, self._entries = self._entries, {}
        for entry in entries.values():
            # Each its own: a raised exception collects the traceback of whoever awaited it.
            _fail(entry.future, type(error)(error.message, hint=error.hint, **error.details))


def _fail(future: asyncio.Future[Reply] | Sent, error: ToolgateError) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # marks it as seen: the one who waited may be gone already
