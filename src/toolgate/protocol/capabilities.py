"""What a client can be asked in the middle of its call, in one canonical form."""

from functools import lru_cache
from typing import Final

import msgspec
from msgspec import Raw

from toolgate.errors import InvalidParams

__all__ = ["NONE", "declared", "may_ask"]

NONE: Final = b"{}"

_CONSEQUENTIAL: Final = ("elicitation", "experimental", "extensions", "roots", "sampling", "tasks")
"""The capabilities that change what a server may do. The canonical form has these only, so that clients that can be
asked the same share a link."""

_NULL: Final = Raw(b"null")
_members: Final = msgspec.json.Decoder(dict[str, Raw])

_LONG: Final = 2_048  # bytes from which on they are not remembered

_ASKED_FOR: Final = {
    "elicitation/create": "elicitation",
    "roots/list": "roots",
    "sampling/createMessage": "sampling",
}


def declared(capabilities: Raw | None) -> bytes:
    """The canonical JSON of a client's capabilities. Raises `InvalidParams` where they are no object."""
    if capabilities is None:
        return NONE
    raw = bytes(capabilities)
    return _canonical(raw) if len(raw) > _LONG else _remembered(raw)


def _canonical(capabilities: bytes) -> bytes:
    try:
        known = _members.decode(capabilities)
        kept = {name: _sorted(known[name]) for name in _CONSEQUENTIAL if known.get(name, _NULL) != _NULL}
    except (msgspec.DecodeError, RecursionError):
        raise InvalidParams("capabilities must be an object") from None
    return msgspec.json.encode(kept)


def _sorted(value: Raw) -> Raw:
    """With the members of its objects in order. Numbers keep their digits, which decoding would cost them."""
    if bytes(value)[:1] != b"{":
        return Raw(msgspec.json.format(value, indent=-1))
    members = _members.decode(value)
    return Raw(msgspec.json.encode({name: _sorted(members[name]) for name in sorted(members)}))


_remembered: Final = lru_cache(maxsize=1_024)(_canonical)


def may_ask(capabilities: bytes, method: str, params: bytes | None) -> bool:
    """Whether a client that declared `capabilities` can be asked this. An elicitation without a mode is a form, and so
    is a client that names no mode (2025-11-25 and 2026-07-28, Elicitation, Capabilities)."""
    name = _ASKED_FOR.get(method)
    known = _decoded(capabilities)
    if name is None or name not in known:
        return False
    if name != "elicitation" or bytes(known[name])[:1] != b"{":
        return True
    modes = {"form", "url"} & _members.decode(known[name]).keys() or {"form"}
    return _mode(params) in modes


class _Question(msgspec.Struct):
    mode: str = "form"


def _mode(params: bytes | None) -> str:
    try:
        return msgspec.json.decode(params or b"{}", type=_Question).mode
    except (msgspec.DecodeError, RecursionError):
        return ""


@lru_cache(maxsize=256)
def _decoded(capabilities: bytes) -> dict[str, Raw]:
    return _members.decode(capabilities)
