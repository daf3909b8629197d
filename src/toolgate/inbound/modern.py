"""Requests of revision 2026-07-28: each says for itself which version it speaks and what its client can do."""

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw, UnsetType

from toolgate.errors import HeaderMismatch, InvalidParams, UnsupportedVersion
from toolgate.http.headers import NO_HEADERS, Headers, media_type
from toolgate.protocol.capabilities import declared
from toolgate.protocol.envelope import NOTHING, Fields, fields
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

__all__ = [
    "Envelope", "Meta", "Said", "accepted", "check_headers", "is_modern", "read_envelope", "read_meta",
    "said", "unspoken",
]  # fmt: skip

_VERSION: Final = b"mcp-protocol-version"
_METHOD: Final = b"mcp-method"
_NAME: Final = b"mcp-name"
_BOTH: Final = (b"application/json", b"text/event-stream")
_MOST: Final = 1_024
_LONG: Final = 1_024  # bytes of a `_meta` from which on it is not remembered
_text: Final = msgspec.json.Decoder(str)
_metas: dict[bytes, "Meta"] = {}


class Said(NamedTuple):
    """What the headers of a request say; None where one is missing, repeated or not written as it must be. `speaks`:
    they name the media types that they have to."""

    speaks: bool
    version: str | None
    method: str | None
    name: str | None


class Meta(NamedTuple):
    """`params._meta`, decoded one level; and what it says as an envelope, None where it is none."""

    fields: Fields
    envelope: "Envelope | None"


class Envelope(msgspec.Struct, frozen=True):
    """What a modern request says of itself in `_meta`."""

    version: str
    log_level: str | None
    capabilities: bytes


_NO_META: Final = Meta(NOTHING, None)


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


def unspoken(version: str) -> UnsupportedVersion:
    """The error for a version that is not one of `MODERN_VERSIONS`, with what is spoken here."""
    return UnsupportedVersion(f"MCP {version} is not spoken here", supported=list(MODERN_VERSIONS), requested=version)


def read_meta(raw: Raw | None) -> Meta:
    """A client's `_meta` is the same in most of its requests, so what was read is remembered. Raises `InvalidParams`
    where it is no object."""
    if raw is None:
        return _NO_META
    text = bytes(raw)
    known = _metas.get(text)
    if known is None:
        known = _read_meta(text)
        if len(text) <= _LONG:
            if len(_metas) >= _MOST:
                _metas.clear()
            _metas[text] = known
    return known


def _read_meta(text: bytes) -> Meta:
    known = fields(text, "_meta")
    try:
        return Meta(known, read_envelope(known))
    except InvalidParams:
        return Meta(known, None)


def said(headers: Headers) -> Said:
    """Worked out once for headers that come again."""
    if not isinstance(headers.seen, Said):
        headers.seen = _said(headers)
    return headers.seen


def _said(headers: Headers) -> Said:
    content, accepts = headers.get(b"content-type"), headers.all(b"accept")
    speaks = media_type(content) == "application/json" and all(accepted(accepts, media) for media in _BOTH)
    return Said(speaks, _once(headers, _VERSION), _once(headers, _METHOD), decode_value(_once(headers, _NAME)))


def _once(headers: Headers, name: bytes) -> str | None:
    values = headers.all(name)
    return values[0].decode("latin-1").strip(" \t") if len(values) == 1 else None


def accepted(accepts: Iterable[bytes], media: bytes) -> bool:
    """Whether one of the values of `Accept` names the media type, or a range that it is in."""
    ranges = {part.partition(b";")[0].strip().lower() for value in accepts for part in value.split(b",")}
    return not ranges.isdisjoint({media, media.partition(b"/")[0] + b"/*", b"*/*"})


def check_headers(method: str, params: Fields, version: str, headers: Headers) -> str | None:
    """The mirrored headers must be there once and say what the body says (2026-07-28, Streamable HTTP, Server
    Validation). The answer is the name or URI that both say, None for a method without. Raises `HeaderMismatch`."""
    heard = said(headers)
    if heard.version != version:
        raise _differs(headers, _VERSION, "MCP-Protocol-Version")
    if heard.method != method:
        raise _differs(headers, _METHOD, "Mcp-Method")
    member = NAME_KEYS.get(method)
    raw = params.get(member) if member else None
    if raw is None:
        return None
    name = _string(raw, member or "")
    if heard.name != name:
        raise _differs(headers, _NAME, "Mcp-Name")
    return name


def _differs(headers: Headers, name: bytes, shown: str) -> HeaderMismatch:
    count = len(headers.all(name))
    if count == 1:
        return HeaderMismatch(f"the header {shown} does not say what the body says")
    return HeaderMismatch(f"the header {shown} must be given {'once' if count else 'and is missing'}")
