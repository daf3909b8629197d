"""Answers to questions of DNS (RFC 1035), made here without asking anyone."""

import struct
from collections.abc import Callable
from typing import Final

__all__ = ["answer"]

_HEAD: Final = struct.Struct("!6H")
_QUESTION: Final = struct.Struct("!HH")
_A: Final = 1
_INTERNET: Final = 1
_NOT_QUERY: Final = 0xF800
"""QR and the opcode: a standard query has neither."""
_RECURSION_DESIRED: Final = 0x0100
_RESPONSE: Final = 0x8080  # and recursion available
_FORMAT_ERROR: Final = 1
_NO_SUCH_NAME: Final = 3
_NOT_IMPLEMENTED: Final = 4
_NAME_AT: Final = 0xC00C  # a pointer to the question's name
_TTL: Final = 60


def answer(query: bytes, lookup: Callable[[str], str | None]) -> bytes | None:
    """The response to `query`; None where it deserves none.

    `lookup` gives the IPv4 address of a name (in lower case), or None where there is no such name. Questions about a
    name that exists, other than for its IPv4 address, have an empty answer: so nobody learns keys for encrypted names
    (RFC 9848), or addresses that do not exist inside.
    """
    if len(query) < _HEAD.size:
        return None
    number, flags, questions, _, _, _ = _HEAD.unpack_from(query)
    if flags & 0x8000:
        return None
    status = _RESPONSE | flags & (_RECURSION_DESIRED | 0x7800)
    if flags & _NOT_QUERY:
        return _HEAD.pack(number, status | _NOT_IMPLEMENTED, 0, 0, 0, 0)
    name, end = _name(query)
    if questions != 1 or name is None or len(query) < end + _QUESTION.size:
        return _HEAD.pack(number, status | _FORMAT_ERROR, 0, 0, 0, 0)
    kind, family = _QUESTION.unpack_from(query, end)
    question = query[_HEAD.size : end + _QUESTION.size]
    address = lookup(name) if family == _INTERNET else None
    if address is None:
        return _HEAD.pack(number, status | _NO_SUCH_NAME, 1, 0, 0, 0) + question
    if kind != _A:
        return _HEAD.pack(number, status, 1, 0, 0, 0) + question
    data = bytes(map(int, address.split(".")))
    record = struct.pack("!HHHIH", _NAME_AT, _A, _INTERNET, _TTL, len(data)) + data
    return _HEAD.pack(number, status, 1, 1, 0, 0) + question + record


def _name(query: bytes) -> tuple[str | None, int]:
    """The first question's name and where it ends; None for one that is broken, too long or not in ASCII."""
    labels: list[str] = []
    at = _HEAD.size
    while at < len(query) and at - _HEAD.size < 255:
        length = query[at]
        at += 1
        if length == 0:
            return ".".join(labels).lower(), at
        label = query[at : at + length]
        if length > 63 or len(label) < length or not label.isascii() or b"." in label:
            break
        labels.append(label.decode())
        at += length
    return None, at
