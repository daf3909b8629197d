"""What a client can be asked in the middle of its call, in one canonical form."""

from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import Raw

from toolgate.errors import InvalidParams

__all__ = ["NONE", "declared", "may_ask"]

NONE: Final = b"{}"

_CONSEQUENTIAL: Final = ("elicitation", "experimental", "extensions", "roots", "sampling", "tasks")
"""The capabilities that change what a server may do. The canonical form has these only, so that clients that can be
asked the same share a link."""

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
        known = msgspec.json.decode(capabilities, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        raise InvalidParams("capabilities must be an object") from None
    kept = {name: known[name] for name in _CONSEQUENTIAL if known.get(name) is not None}
    return msgspec.json.encode(kept, order="sorted")


_remembered: Final = lru_cache(maxsize=1_024)(_canonical)


def may_ask(capabilities: bytes, method: str, params: bytes | None) -> bool:
    """Whether a client that declared `capabilities` can be asked this. An elicitation without a mode is a form, and so
    is a client that names no mode (2025-11-25 and 2026-07-28, Elicitation, Capabilities)."""
    name = _ASKED_FOR.get(method)
    known = _decoded(capabilities)
    if name is None or name not in known:
        return False
    if name != "elicitation" or not isinstance(known[name], dict):
        return True
    modes = {mode for mode in ("form", "url") if mode in known[name]} or {"form"}
    return _mode(params) in modes


class _Question(msgspec.Struct):
    mode: str = "form"


def _mode(params: bytes | None) -> str:
    try:
        return msgspec.json.decode(params or b"{}", type=_Question).mode
    except (msgspec.DecodeError, RecursionError):
        return ""


@lru_cache(maxsize=256)
def _decoded(capabilities: bytes) -> dict[str, Any]:
    return msgspec.json.decode(capabilities, type=dict[str, Any])
