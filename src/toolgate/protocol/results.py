"""Results and errors that cross from one era to the other.

Between sides of the same era the bytes are passed on as they came. Across eras only the members that an era defines
for every result are added or taken away (2026-07-28, Overview, ResultType; Caching, Cacheable Results).
"""

from collections.abc import Collection
from typing import Final

import msgspec
from msgspec import Raw

from toolgate.errors import EraMismatch, InvalidParams
from toolgate.protocol.envelope import Fields, dump, fields
from toolgate.protocol.eras import SERVER_INFO, Era

__all__ = ["adapt_error", "adapt_result", "complete", "error_code", "foreign"]

_COMPLETE: Final = Raw(b'"complete"')
_MODERN_MEMBERS: Final = ("resultType", "ttlMs", "cacheScope")
_CACHEABLE: Final = frozenset({"resources/read"})
_PROTOCOLS: Final = "io.modelcontextprotocol/"

# A modern server must not emit it (2026-07-28, Overview, Error Codes).
_RESOURCE_NOT_FOUND: Final = -32002
_INVALID_PARAMS: Final = -32602


class _Error(msgspec.Struct):
    code: int


_error_code: Final = msgspec.json.Decoder(_Error)


def adapt_result(result: bytes, method: str, *, link: Era, client: Era, server: str, server_info: bytes) -> bytes:
    """The `result` of a server of one era in the shape that a client of the other expects.

    Raises `EraMismatch` for a result that the client's era has no words for.
    """
    if link is client:
        # Clients of the modern era may refuse a result without a type, and must take it for a complete one.
        return result if client is Era.LEGACY or b'"resultType"' in result else complete(result, b"")
    if client is Era.MODERN:
        return complete(result, server_info, cacheable=method in _CACHEABLE)
    return _without_modern_members(result, server)


def complete(result: bytes, server_info: bytes, *, cacheable: bool = False) -> bytes:
    """A modern result out of a legacy one. A hint that the server itself gave is left alone."""
    members = fields(result, "a result")
    members.setdefault("resultType", _COMPLETE)
    if cacheable:
        members.setdefault("ttlMs", Raw(b"0"))
        members.setdefault("cacheScope", Raw(b'"private"'))
    if server_info:
        meta = fields(members["_meta"], "_meta") if "_meta" in members else {}
        meta.setdefault(SERVER_INFO, Raw(server_info))
        members["_meta"] = Raw(dump(meta))
    return dump(members)


def _without_modern_members(result: bytes, server: str) -> bytes:
    members = fields(result, "a result")
    kind = members.get("resultType", _COMPLETE)
    if bytes(kind) != bytes(_COMPLETE):
        raise EraMismatch(
            f"server {server!r} answered with a result of type {bytes(kind).decode()}, which this client's revision "
            "of MCP cannot express",
            hint="connect with a client that speaks revision 2026-07-28",
            server=server,
        )
    for member in _MODERN_MEMBERS:
        members.pop(member, None)
    return dump(members)


def foreign(result: Fields, own: Collection[str]) -> Fields:
    """The members of a result that only its server knows: not `own`, nor what an era defines for every result, nor the
    protocol's own keys of `_meta`."""
    more = {name: raw for name, raw in result.items() if name not in own and name not in _MODERN_MEMBERS}
    if "_meta" in more:
        try:
            meta = fields(more.pop("_meta"), "_meta")
        except InvalidParams:
            return more
        if kept := {key: raw for key, raw in meta.items() if not key.startswith(_PROTOCOLS)}:
            more["_meta"] = Raw(dump(kept))
    return more


def adapt_error(error: bytes, *, link: Era, client: Era) -> bytes:
    """The `error` of a server of one era as the other era spells it. A legacy server's -32042 becomes a round of
    questions where the client is known (`inbound.parking`)."""
    if link is client or client is Era.LEGACY:
        return error
    if error_code(error) != _RESOURCE_NOT_FOUND:
        return error
    members = fields(error, "an error")
    members["code"] = Raw(str(_INVALID_PARAMS).encode())
    return dump(members)


def error_code(error: bytes) -> int:
    """The code of an error object; 0 where it has none that is an integer."""
    try:
        return _error_code.decode(error).code
    except (msgspec.DecodeError, msgspec.ValidationError):
        return 0
