"""W3C Trace Context (Level 2): where a call comes from and goes on to, in HTTP headers and in `params._meta`."""

import re
from typing import Final, NamedTuple

import msgspec

from toolgate.protocol.envelope import Fields

__all__ = ["STATE", "TRACEPARENT", "Parent", "from_meta", "is_quiet", "parse", "state"]

TRACEPARENT: Final = "traceparent"
STATE: Final = "tracestate"

_PARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_QUIET: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f][02468ace]")
_NO_TRACE: Final = "0" * 32
_NO_SPAN: Final = "0" * 16
_SAMPLED: Final = 1
_MEMBERS: Final = 32
_LONGEST: Final = 512  # characters that everybody should pass on (section 3.3.1.5)
_KEY: Final = r"(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
_VALUE: Final = r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
_MEMBER: Final = re.compile(rf"[ \t]*(?:({_KEY})={_VALUE})?[ \t]*")

_text: Final = msgspec.json.Decoder(str)


class Parent(NamedTuple):
    """`flags` as they came, in hexadecimal."""

    trace: str
    span: str
    flags: str

    @property
    def sampled(self) -> bool:
        return bool(int(self.flags, 16) & _SAMPLED)


def parse(value: str) -> Parent | None:
    """Section 3.2. None for what is not exactly a `traceparent`: it is then as if there were none. Of a version that is
    not known yet, only what version 00 has is read."""
    match = _PARENT.fullmatch(value)
    if match is None:
        return None
    version, trace, span, flags, more = match.groups()
    if version == "ff" or (more is not None and version == "00") or trace == _NO_TRACE or span == _NO_SPAN:
        return None
    return Parent(trace, span, flags)


def is_quiet(value: str) -> bool:
    """Whether it is a `traceparent` of today's version that says: not sampled. Quicker than `parse`."""
    return _QUIET.fullmatch(value) is not None


def state(value: str) -> str:
    """A `tracestate` (section 3.3), or nothing where it is not one: a part of it would be worse than none."""
    if not value or len(value) > _LONGEST:
        return ""
    keys = [match[1] if (match := _MEMBER.fullmatch(member)) else "=" for member in value.split(",")]
    named = [key for key in keys if key]
    if "=" in named or not named or len(named) > _MEMBERS or len(set(named)) < len(named):
        return ""
    return value


def from_meta(meta: Fields) -> tuple[str, str]:
    """`traceparent` and `tracestate` of a request's `_meta` (2026-07-28, Overview, OpenTelemetry trace context); empty
    where there is none."""
    return _member(meta, TRACEPARENT), _member(meta, STATE)


def _member(meta: Fields, name: str) -> str:
    raw = meta.get(name)
    if raw is None:
        return ""
    try:
        return _text.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
