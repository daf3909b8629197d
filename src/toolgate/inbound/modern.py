"""Requests of revision 2026-07-28: each says for itself which version it speaks and what its client can do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import Raw, UnsetType

from toolgate.errors import HeaderMismatch, InvalidParams, UnsupportedVersion
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

__all__ = ["Envelope", "Headers", "check_headers", "check_version", "is_modern", "read_envelope"]

Headers = Sequence[tuple[bytes, bytes]]
"""As ASGI gives them: names in lower case, duplicates kept."""

_VERSION: Final = b"mcp-protocol-version"
_METHOD: Final = b"mcp-method"
_NAME: Final = b"mcp-name"
_text: Final = msgspec.json.Decoder(str)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a modern request says of itself in `_meta`."""

    version: str
    log_level: str | None
    capabilities: bytes


def is_modern(method: str | UnsetType, meta: Fields, headers: Headers = ()) -> bool:
    """Whether a message must be read by the modern rules: its `_meta` names a version, or its header names one that
    is not a legacy one. An `initialize` must name a modern one outright: it is how a legacy client opens."""
    if PROTOCOL_VERSION in meta:
        return True
    version = next((value for name, value in headers if name == _VERSION), b"").decode("latin-1")
    return version in MODERN_VERSIONS if method == "initialize" else bool(version) and version not in LEGACY_VERSIONS


def read_envelope(meta: Fields) -> Envelope:
    """The required members of `_meta` (2026-07-28, Overview, Per-request protocol fields). The version is not judged
    here, since a header that contradicts it comes first. Raises `InvalidParams`."""
    missing = [key for key in (PROTOCOL_VERSION, CLIENT_CAPABILITIES) if key not in meta]
    if missing:
        raise InvalidParams(f"params._meta must hold {' and '.join(missing)}")
    if bytes(meta[CLIENT_CAPABILITIES])[:1] != b"{":
        raise InvalidParams(f"{CLIENT_CAPABILITIES} must be an object")
    version = _string(meta[PROTOCOL_VERSION], PROTOCOL_VERSION)
    return Envelope(version, _log_level(meta), declared(meta[CLIENT_CAPABILITIES]))


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
    values = [value for header, value in headers if header == name]
    if len(values) != 1:
        raise HeaderMismatch(f"the header {shown} must be given {'once' if values else 'and is missing'}")
    said: str | None = values[0].decode("latin-1").strip(" \t")
    if encoded and said is not None:
        said = decode_value(said)
    if said != expected:
        raise HeaderMismatch(f"the header {shown} does not say what the body says")
