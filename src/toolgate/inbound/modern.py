"""Requests of revision 2026-07-28: each says for itself which version it speaks and what its client can do."""

from typing import Final

import msgspec
from msgspec import Raw, UnsetType

from toolgate.errors import HeaderMismatch, InvalidParams, UnsupportedVersion
from toolgate.http.headers import NO_HEADERS, Headers
from toolgate.protocol.capabilities import declared
from toolgate.protocol.envelope import Fields
from toolgate.protocol.eras import (
    CLIENT_CAPABILITIES,
    LEGACY_VERSIONS,
    LOG_LEVEL,
    LOG_LEVELS,
    MODERN_VERSIONS,
    NAME_KEYS,
    PROTOCOL_VERSION,
)
from toolgate.protocol.headers import decode_value

__all__ = ["Envelope", "check_headers", "check_version", "is_modern", "read_envelope"]

_VERSION: Final = b"mcp-protocol-version"
_METHOD: Final = b"mcp-method"
_NAME: Final = b"mcp-name"
_ENCODED: Final = b"=?"  # how a value begins that is not given as it is
_text: Final = msgspec.json.Decoder(str)


class Envelope(msgspec.Struct, frozen=True):
    """What a modern request says of itself in `_meta`."""

    version: str
    log_level: str | None
    capabilities: bytes


def is_modern(method: str | UnsetType, meta: Fields, headers: Headers = NO_HEADERS) -> bool:
    """Whether a message must be read by the modern rules: its `_meta` names a version, or its header names one that
    is not a legacy one. An `initialize` must name a modern one outright: it is how a legacy client opens."""
    if PROTOCOL_VERSION in meta:
        return True
    version = headers.text(_VERSION)
    return version in MODERN_VERSIONS if method == "initialize" else bool(version) and version not in LEGACY_VERSIONS


def read_envelope(meta: Fields) -> Envelope:
    """The required members of `_meta` (2026-07-28, Overview, Per-request protocol fields). The version is not judged
    here, since a header that contradicts it comes first. Raises `InvalidParams`."""
    version, capabilities = meta.get(PROTOCOL_VERSION), meta.get(CLIENT_CAPABILITIES)
    if version is None or capabilities is None:
        missing = [key for key in (PROTOCOL_VERSION, CLIENT_CAPABILITIES) if key not in meta]
        raise InvalidParams(f"params._meta must hold {' and '.join(missing)}")
    if bytes(capabilities)[:1] != b"{":
        raise InvalidParams(f"{CLIENT_CAPABILITIES} must be an object")
    return Envelope(_string(version, PROTOCOL_VERSION), _log_level(meta), declared(capabilities))


def _string(raw: Raw, what: str) -> str:
    try:
        return _text.decode(raw)
    except msgspec.DecodeError:
        raise InvalidParams(f"{what} must be a string") from None


def _log_level(meta: Fields) -> str | None:
    raw = meta.get(LOG_LEVEL)
    if raw is None:
        return None
    level = _string(raw, LOG_LEVEL)
    if level not in LOG_LEVELS:
        raise InvalidParams(f"{LOG_LEVEL} must be one of {', '.join(LOG_LEVELS)}")
    return level


def check_version(version: str) -> None:
    """Raises `UnsupportedVersion` with what is spoken here."""
    if version not in MODERN_VERSIONS:
        raise UnsupportedVersion(
            f"MCP {version} is not spoken here", supported=list(MODERN_VERSIONS), requested=version
        )


def check_headers(method: str, params: Fields, version: str, headers: Headers) -> None:
    """The mirrored headers must be there once and say what the body says (2026-07-28, Streamable HTTP, Server
    Validation). Raises `HeaderMismatch`."""
    _same(headers, _VERSION, "MCP-Protocol-Version", version, encoded=False)
    _same(headers, _METHOD, "Mcp-Method", method, encoded=False)
    if member := NAME_KEYS.get(method):
        raw = params.get(member)
        if raw is not None:
            _same(headers, _NAME, "Mcp-Name", _string(raw, member), encoded=True)


def _same(headers: Headers, name: bytes, shown: str, expected: str, *, encoded: bool) -> None:
    value = headers.get(name)
    if value == expected.encode() and not headers.repeats and not (encoded and value.startswith(_ENCODED)):
        return
    values = headers.all(name)
    if len(values) != 1:
        raise HeaderMismatch(f"the header {shown} must be given {'once' if values else 'and is missing'}")
    said: str | None = values[0].decode("latin-1").strip(" \t")
    if encoded and said is not None:
        said = decode_value(said)
    if said != expected:
        raise HeaderMismatch(f"the header {shown} does not say what the body says")
