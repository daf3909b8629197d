"""What an API server keeps: objects with versions, and the events of their changes."""

import asyncio
import copy
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

__all__ = ["Conflict", "Json", "Objects", "TooOld", "merged", "selects"]

Json = dict[str, Any]


class Conflict(Exception):
    """The name is taken."""


class TooOld(Exception):
    """410: the events since that version are not kept any more."""


class Objects:
    """By kind (`pods`) and name, of one namespace."""

    def __init__(self) -> None:
        self.version = 1
        self._kept: dict[tuple[str, str], Json] = {}
        self._events: list[tuple[int, str, str, Json]] = []
        self._oldest = 0
        self._epoch = 0
        self._changed = asyncio.Event()
        self.heard: list[Callable[[str, str, Json], None]] = []
        """Told of each change: kind, what happened, object."""

    def all(self, kind: str) -> list[Json]:
        return [copy.deepcopy(each) for (of, _), each in sorted(self._kept.items()) if of == kind]

    def get(self, kind: str, name: str) -> Json | None:
        found = self._kept.get((kind, name))
        return copy.deepcopy(found) if found is not None else None

    def create(self, kind: str, made: Json) -> Json:
        name = made["metadata"]["name"]
        if (kind, name) in self._kept:
            raise Conflict(name)
        made["metadata"] |= {"uid": str(uuid.uuid4()), "namespace": "servers"}
        return self._keep(kind, "ADDED", made)

    def change(self, kind: str, name: str, with_: Json) -> Json | None:
        """A merge patch (RFC 7386)."""
        found = self.get(kind, name)
        return self._keep(kind, "MODIFIED", merged(found, with_)) if found is not None else None

    def remove(self, kind: str, name: str) -> Json | None:
        found = self._kept.pop((kind, name), None)
        if found is None:
            return None
        self._tell(kind, "DELETED", found)
        for of, other in list(self._kept):
            owners = self._kept[of, other]["metadata"].get("ownerReferences", ())
            if any(owner["uid"] == found["metadata"]["uid"] for owner in owners):
                self.remove(of, other)
        return found

    def compact(self) -> None:
        """Forget all events, and end all watches."""
        self._oldest = self.version
        self.end_watches()

    def end_watches(self) -> None:
        self._epoch += 1
        self._changed.set()

    async def events(self, kind: str, since: int) -> AsyncIterator[tuple[str, Json]]:
        epoch = self._epoch
        if since < self._oldest:
            raise TooOld
        while epoch == self._epoch:
            for version, of, what, each in list(self._events):
                if of == kind and version > since:
                    since = version
                    yield what, each
            self._changed.clear()
            await self._changed.wait()

    def _keep(self, kind: str, what: str, kept: Json) -> Json:
        self._kept[kind, kept["metadata"]["name"]] = kept
        self._tell(kind, what, kept)
        return copy.deepcopy(kept)

    def _tell(self, kind: str, what: str, each: Json) -> None:
        self.version += 1
        each["metadata"]["resourceVersion"] = str(self.version)
        told = copy.deepcopy(each)
        self._events.append((self.version, kind, what, told))
        self._changed.set()
        for listener in self.heard:
            listener(kind, what, told)


def merged(base: Json, patch: Json) -> Json:
    """RFC 7386."""
    result = copy.deepcopy(base)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name) or {}, value) if isinstance(value, dict) else value
    return result


def selects(selector: str, each: Json) -> bool:
    """Label selectors by presence and by equality; field selectors by equality."""
    labels = each["metadata"].get("labels", {}) | {
        "involvedObject.name": each.get("involvedObject", {}).get("name"),
        "type": each.get("type"),
    }
    for part in filter(None, selector.split(",")):
        name, equals, value = part.partition("=")
        if name not in labels or (equals and labels[name] != value):
            return False
    return True
