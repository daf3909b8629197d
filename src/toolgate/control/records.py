"""What was recorded, as the API answers it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from toolgate.catalog.snapshot import Entry, Snapshot
from toolgate.errors import InvalidParams
from toolgate.model.tool import Kind
from toolgate.observe.advice import ListedTool
from toolgate.recording.recorder import Recorder
from toolgate.recording.report import Report, as_csv
from toolgate.store.database import Database

__all__ = ["Records"]

_ALL: Final = "/mcp"
_FIELDS: Final = 16  # of a query


class Records:
    """Each method takes the query of a request, undecoded. What is still in memory is written first, where the database
    can be written just now. Raises `InvalidParams` and `StoreError`."""

    def __init__(self, recorder: Recorder, database: Database, snapshot: Callable[[], Snapshot]) -> None:
        self._recorder = recorder
        self._report = Report(database)
        self._snapshot = snapshot

    async def usage(self, query: bytes) -> dict[str, Any]:
        """`by` (user, team, server, tool) and `since` (`today`, `7d`, …)."""
        asked = _parsed(query, by="tool", since="7d")
        await self._recorder.flush()
        snapshot = self._snapshot()
        sizes = {path: _size(view.of(Kind.TOOLS).items) for path, view in snapshot.views.items()}
        return await self._report.usage(asked["by"], asked["since"], _listed(snapshot), sizes)

    async def usage_csv(self, query: bytes) -> str:
        """The rows of `usage`."""
        return as_csv(await self.usage(query))

    async def advice(self, query: bytes) -> dict[str, Any]:
        """`since`"""
        asked = _parsed(query, since="30d")
        await self._recorder.flush()
        return await self._report.advice(asked["since"], _listed(self._snapshot()))

    async def audit(self, query: bytes) -> dict[str, Any]:
        """`server`, `principal`, `outcome`, `since` and `most`."""
        asked = _parsed(query, server="", principal="", outcome="", since="", most="50")
        if not asked["most"].isdecimal():
            raise InvalidParams(f"`most` is no number: {asked['most']!r}")
        await self._recorder.flush()
        return await self._report.audit(
            server=asked["server"],
            principal=asked["principal"],
            outcome=asked["outcome"],
            period=asked["since"],
            most=int(asked["most"]),
        )


class _Annotations(msgspec.Struct):
    readOnlyHint: Any = None  # noqa: N815  # names of the protocol
    idempotentHint: Any = None  # noqa: N815


class _Tool(msgspec.Struct):
    annotations: _Annotations | None = None


_tool: Final = msgspec.json.Decoder(_Tool)


def _listed(snapshot: Snapshot) -> list[ListedTool]:
    view = snapshot.views.get(_ALL)
    return [_tool_of(entry) for entry in view.of(Kind.TOOLS).entries] if view is not None else []


def _tool_of(entry: Entry) -> ListedTool:
    try:
        said = _tool.decode(entry.item).annotations or _Annotations()
    except msgspec.ValidationError:
        said = _Annotations()  # its server said something else than the specification has: it hints at nothing
    return ListedTool(
        server=entry.route.server,
        name=entry.route.name,
        size=len(entry.item),
        read_only=said.readOnlyHint is True,
        idempotent=said.idempotentHint is True,
    )


def _size(items: Sequence[bytes]) -> int:
    return sum(map(len, items))


def _parsed(query: bytes, **defaults: str) -> Mapping[str, str]:
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=_FIELDS)
    except ValueError as error:
        raise InvalidParams("the query cannot be read") from error
    for name, _ in pairs:
        if name not in defaults:
            raise InvalidParams(f"there is no `{name}` to ask by", hint=f"there are {', '.join(defaults)}")
    return {**defaults, **dict(pairs)}
