"""Connections as the API shows them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import urlsplit

import msgspec
from pydantic import ValidationError

from toolgate.config.model import ServerEntry
from toolgate.control.bodies import Connected, Healthy, Overall
from toolgate.model.connection import Connection
from toolgate.model.life import Phase
from toolgate.model.secretref import MASK, Template
from toolgate.sources.connections import SOURCE

__all__ = ["Seen", "Shown", "health_of"]

_FINE: Final = frozenset({Phase.RUNNING.value, Phase.STOPPED.value})

Entry = Mapping[str, Any]


class Seen(Protocol):
    """What is known of servers at this moment."""

    def report(self) -> list[dict[str, Any]]: ...


class _State(NamedTuple):
    phase: str
    reason: str
    hint: str
    entry: Entry


class _Named(msgspec.Struct):
    name: str


_tool: Final = msgspec.json.Decoder(_Named)


class Shown:
    """`tools` answers the JSON of the tools that a server lists."""

    def __init__(self, seen: Seen, tools: Callable[[str], Sequence[bytes]]) -> None:
        self._seen = seen
        self._tools = tools

    def one(self, connection: Connection) -> Connected:
        return self.all([connection])[0]

    def all(self, connections: Sequence[Connection]) -> list[Connected]:
        entries = {entry["name"]: entry for entry in self._seen.report()}
        return [self._told(one, _state(one, entries)) for one in connections]

    def health(self, connections: Sequence[Connection], owner: str | None) -> Overall:
        entries = {entry["name"]: entry for entry in self._seen.report()}
        told = tuple(_healthy(one, _state(one, entries), len(self.names(one))) for one in connections)
        states = {phase.value: sum(one.state == phase for one in told) for phase in Phase}
        return Overall(owner=owner, status=health_of([one.state for one in told]), states=states, connections=told)

    def tools(self, connection: Connection) -> list[Any]:
        """As the server lists them."""
        return [msgspec.json.decode(raw) for raw in self._tools(connection.server)]

    def names(self, connection: Connection) -> tuple[str, ...]:
        """Of its tools; those that it had last, where nothing is known of it now."""
        listed = tuple(_tool.decode(raw).name for raw in self._tools(connection.server))
        return listed or connection.tools

    def _told(self, one: Connection, state: _State) -> Connected:
        same = {name: getattr(one, name) for name in _SAME}
        return Connected(
            **same,
            server=one.server,
            state=state.phase,
            reason=state.reason,
            hint=state.hint,
            tools=self.names(one),
            inputs=_masked(one.inputs),
            definition=_definition(one.definition),
        )


_SAME: Final = (
    "id", "owner", "name", "card", "title", "last_used", "usage_count", "created_at", "created_by", "updated_at",
    "updated_by",
)  # fmt: skip


def health_of(states: Sequence[str]) -> str:
    """One word for all of these states."""
    if not states:
        return "empty"
    errors = sum(state == Phase.ERROR for state in states)
    if errors:
        return "unhealthy" if errors == len(states) else "degraded"
    return "healthy" if all(state in _FINE for state in states) else "starting"


def _state(one: Connection, entries: Mapping[str, Entry]) -> _State:
    entry = entries.get(one.server)
    if entry is None:
        try:
            ServerEntry.model_validate(one.definition)
        except ValidationError:
            return _State(Phase.ERROR.value, "its definition is not understood any longer", "install it again", {})
        return _State(Phase.PENDING.value, "", "", {})
    if entry["source"] != SOURCE:
        reason = f"the configuration has a server named {one.server}, which is served instead"
        return _State(Phase.ERROR.value, reason, "rename one of them, or remove this connection", {})
    return _State(entry["phase"], entry["reason"], entry["hint"], entry)


def _healthy(one: Connection, state: _State, tools: int) -> Healthy:
    entry = state.entry
    return Healthy(
        id=one.id,
        name=one.name,
        server=one.server,
        state=state.phase,
        since=entry.get("since"),
        reason=state.reason,
        hint=state.hint,
        response_ms=entry.get("latency_ms"),
        last_error=entry.get("last_error", ""),
        retry_at=entry.get("retry_at"),
        tools=tools,
    )


def _masked(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """An answer with a reference in it was a secret."""
    return {name: MASK if _refers(value) else value for name, value in inputs.items()}


def _refers(value: Any) -> bool:
    texts = value if isinstance(value, list | tuple) else [value]
    return any(bool(Template(str(text)).references) for text in texts)


def _definition(definition: Mapping[str, Any]) -> dict[str, Any]:
    try:
        entry = ServerEntry.model_validate(definition)
    except ValidationError:
        return {}
    shown = entry.model_dump(mode="json", exclude_unset=True)
    if entry.command is not None:
        shown["command"] = entry.command.text
    for name in ("url", "openapi", "graphql"):
        if name in shown:
            shown[name] = _address(definition[name])
    return shown


def _address(text: str) -> str:
    """Without its path: people put keys there, too."""
    if Template(text).references or "://" not in text:
        return Template(text).display()
    parts = urlsplit(text)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" + (f"/{MASK}" if parts.path.strip("/") else "")
