"""Spans: what a sampled call leaves behind for a collector. Names and attributes are OpenTelemetry's for MCP."""

import time
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import ClassVar, Final
from urllib.parse import urlsplit, urlunsplit

import msgspec

from toolgate.observe.recorded import Recorded
from toolgate.observe.traceparent import Parent

__all__ = ["Attributes", "Span", "SpanKind", "Trace"]

Attributes = dict[str, str | int | bool]

_TARGETS: Final = {"tools/call": "gen_ai.tool.name", "prompts/get": "gen_ai.prompt.name"}
_FINE: Final = frozenset({"ok", ""})
_ERRORS: Final = {"failed": "tool_error", "error": "_OTHER"}
"""What `error.type` is for outcomes that are no codes of ours."""


class SpanKind(IntEnum):
    """As `opentelemetry.proto.trace.v1.Span.SpanKind` numbers them."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3


class Span(msgspec.Struct, gc=False):
    """Ids are in hexadecimal, times in nanoseconds since the epoch. `error` is empty where all went well."""

    trace: str
    id: str
    parent: str
    name: str
    kind: SpanKind
    start: int
    end: int
    attributes: Attributes
    state: str = ""
    error: str = ""
    link: Parent | None = None


class Trace:
    """The spans of one sampled call: SERVER for the whole, INTERNAL for each group of stages, CLIENT for the server.

    Groups stand side by side: the next begins where the last ends. All methods are for the one task of the call.
    """

    __slots__ = ("_began", "_client", "_clock", "_group", "_new_id", "_offer", "_root", "_spans", "flags", "id")

    sampled: ClassVar[bool] = True

    def __init__(
        self, trace: str, parent: str, flags: str, state: str, link: Parent | None,
        new_id: Callable[[], str], offer: Callable[[Sequence[Span]], None],
    ) -> None:  # fmt: skip
        self.id = trace
        self.flags = flags
        self._new_id = new_id
        self._offer = offer
        self._began, self._clock = time.time_ns(), time.perf_counter_ns()
        self._root = Span(trace, new_id(), parent, "", SpanKind.SERVER, self._began, 0, {}, state, "", link)
        self._spans = [self._root]
        self._group: Span | None = None
        self._client: Span | None = None

    @property
    def traceparent(self) -> str:
        """For the server, once `upstream` was called."""
        return f"00-{self.id}-{(self._client or self._root).id}-{self.flags}"

    @property
    def tracestate(self) -> str:
        return self._root.state

    @property
    def in_meta(self) -> bool:
        """Whether the request's own `_meta` says all this already: never, since there are spans of ours now."""
        return False

    def group(self, name: str) -> None:
        """What follows is a new group of stages."""
        self._close_group()
        self._group = self._child(name, SpanKind.INTERNAL)

    def upstream(self, version: str, transport: str) -> None:
        """The call is passed to the server now; `version` is the revision spoken there, `transport` `tcp` or `pipe`."""
        self._close_group()
        self._client = self._child("", SpanKind.CLIENT)
        self._client.attributes = {"mcp.protocol.version": version, "network.transport": transport}

    def answered(self, outcome: str = "ok", status: int | None = None) -> None:
        """The server answered, or failed to, as `Recorded.outcome` words it; `status` is a JSON-RPC error's code."""
        if self._client is not None and not self._client.end:
            _fail(self._client, outcome, status)
            self._client.end = self._now()

    def finish(
        self, recorded: Recorded, *, version: str, transport: str = "tcp", key: str = "", session: str = "",
        status: int | None = None,
    ) -> None:  # fmt: skip
        """The call is over; hand its spans on. `key` is the JSON-RPC id as text, `session` a legacy session's id."""
        self._close_group()
        self.answered("cancelled" if recorded.outcome == "cancelled" else "ok")
        root, common = self._root, _common(recorded)
        root.end = self._now()
        root.name = _name(recorded)
        root.attributes = common | {
            "mcp.protocol.version": version,
            "network.transport": transport,
            "toolgate.era": recorded.era,
            "toolgate.principal": recorded.principal,
            "toolgate.request": recorded.request,
            "toolgate.cached": recorded.cached,
        }
        for name, value in (("jsonrpc.request.id", key), ("mcp.session.id", session)):
            if value:
                root.attributes[name] = value
        _fail(root, recorded.outcome, status)
        if self._client is not None:
            self._client.name = root.name
            self._client.attributes = common | self._client.attributes
        self._offer(self._spans)

    def _child(self, name: str, kind: SpanKind) -> Span:
        span = Span(self.id, self._new_id(), self._root.id, name, kind, self._now(), 0, {}, self._root.state)
        self._spans.append(span)
        return span

    def _close_group(self) -> None:
        if self._group is not None:
            self._group.end = self._now()
            self._group = None

    def _now(self) -> int:
        return self._began + time.perf_counter_ns() - self._clock


def _name(recorded: Recorded) -> str:
    return f"{recorded.method} {recorded.name}" if recorded.method in _TARGETS else recorded.method


def _common(recorded: Recorded) -> Attributes:
    attributes: Attributes = {"mcp.method.name": recorded.method, "toolgate.server": recorded.server}
    if target := _TARGETS.get(recorded.method):
        attributes[target] = recorded.name
    elif recorded.name:
        attributes["mcp.resource.uri"] = _without_secrets(recorded.name)
    if recorded.method == "tools/call":
        attributes["gen_ai.operation.name"] = "execute_tool"
    return attributes


def _without_secrets(uri: str) -> str:
    """Neither who signs in, nor the query, nor the fragment: all three carry tokens."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return ""
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def _fail(span: Span, outcome: str, status: int | None) -> None:
    if outcome not in _FINE:
        span.error = str(status) if status is not None else _ERRORS.get(outcome, outcome)
        span.attributes["error.type"] = span.error
        if status is not None:
            span.attributes["rpc.response.status_code"] = str(status)
