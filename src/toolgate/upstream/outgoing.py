"""What goes to a server: a client's params under the server's own names, with the `_meta` that the link's era wants.

Everything is decoded one level; what nobody asked to change goes out as the bytes that came in.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from msgspec import Raw

from toolgate import __version__
from toolgate.observe.tracing import Context, inject
from toolgate.pipeline.call import Call
from toolgate.protocol.envelope import Fields, dump, fields
from toolgate.protocol.eras import (
    CLIENT_CAPABILITIES,
    CLIENT_INFO,
    ENVELOPE_KEYS,
    LOG_LEVEL,
    PROTOCOL_VERSION,
    Era,
)

__all__ = ["IDENTITY", "call_params", "own_params", "subscribe_params", "trace_lines"]

IDENTITY: Final[Mapping[str, str]] = {"name": "toolgate", "version": __version__}
"""How the gateway introduces itself to servers."""

_IDENTITY: Final = Raw(dump(IDENTITY))
_NOTHING: Final = Raw(b"{}")
_PROGRESS: Final = "progressToken"
_NAMED: Final = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "resources/subscribe": "uri",
    "resources/unsubscribe": "uri",
    "tasks/get": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}


def call_params(call: Call, era: Era, version: str, token: bytes) -> bytes:
    """The params of a call for a link of this era and revision. `token` stands in for the client's progress token,
    since two clients may choose the same one."""
    params = dict(call.params)
    if key := _NAMED.get(call.method):
        params[key] = _quoted(call.route.name)
    elif call.method == "completion/complete":
        params["ref"] = _reference(params.get("ref"), call.route.name)
    told = call.trace.in_meta
    if told and era is call.era is Era.MODERN and version == call.version and _PROGRESS not in call.meta:
        return dump(params)  # the client's own `_meta` says it all
    meta = _modern_meta(call, version) if era is Era.MODERN else _legacy_meta(call)
    if _PROGRESS in meta:
        meta[_PROGRESS] = Raw(token)
    if not told:
        meta = inject(meta, call.trace)
    return dump(_with_meta(params, meta, stays_empty=not call.meta))


def trace_lines(context: Context) -> bytes:
    """The headers of a call's trace (Trace Context, section 3)."""
    lines = b"traceparent: %b\r\n" % context.traceparent.encode()
    return lines + b"tracestate: %b\r\n" % context.tracestate.encode() if context.tracestate else lines


def own_params(params: bytes | None, era: Era, version: str) -> bytes | None:
    """The params of a request of the gateway's own, which come without `_meta`."""
    if era is Era.LEGACY:
        return params
    return dump({**fields(params if params is not None else b"{}"), "_meta": _stamp(version)})


def subscribe_params(uri: str, more: bytes) -> bytes:
    """Of `resources/subscribe`, with what the first subscriber told besides."""
    return dump({**fields(more), "uri": uri})


def _reference(ref: Raw | None, name: str) -> Raw:
    """The `ref` of a completion: a prompt by its name, a resource template by its URI."""
    members = fields(ref if ref is not None else b"{}", "ref")
    members["uri" if "uri" in members else "name"] = Raw(dump(name))
    return Raw(dump(members))


@lru_cache(maxsize=4_096)
def _quoted(text: str) -> Raw:
    return Raw(dump(text))


def _stamp(version: str) -> Fields:
    return {PROTOCOL_VERSION: _quoted(version), CLIENT_INFO: _IDENTITY, CLIENT_CAPABILITIES: _NOTHING}


def _modern_meta(call: Call, version: str) -> Fields:
    if call.era is Era.MODERN:
        return {**call.meta, PROTOCOL_VERSION: _quoted(version)}
    meta = {**call.meta, **_stamp(version), CLIENT_CAPABILITIES: Raw(call.capabilities)}
    if call.log_level is not None:
        meta[LOG_LEVEL] = Raw(dump(call.log_level))
    return meta


def _legacy_meta(call: Call) -> Fields:
    return {key: value for key, value in call.meta.items() if key not in ENVELOPE_KEYS}


def _with_meta(params: Fields, meta: Fields, *, stays_empty: bool) -> Fields:
    if meta:
        params["_meta"] = Raw(dump(meta))
    elif not stays_empty:
        del params["_meta"]  # it held nothing but the envelope that the other era has no use for
    return params
