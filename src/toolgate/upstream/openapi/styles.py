"""How the values of parameters are written (OpenAPI 3.1.1, 4.8.12.5 Style Values and 4.8.12.6 Style Examples).

Everything that is not unreserved (RFC 3986, 2.3) is percent-encoded in paths, queries and cookies; nothing is in
headers, which instead refuse what could end them.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, unquote

from toolgate.protocol.envelope import dump

__all__ = ["BadValue", "Style", "checked_path", "header", "path", "query", "scalar"]

_RESERVED: Final = ":/?@!$'()*,;"  # that a query may hold as they are where `allowReserved` asks for it
_DELIMITERS: Final = {"form": ",", "spaceDelimited": "%20", "pipeDelimited": "%7C"}
_UNFIT: Final = re.compile(r"[^\x20-\x7e\x80-\U0010ffff]|[\ud800-\udfff]")
_STEP: Final = re.compile(r"[/\\]")
_DECODINGS: Final = 4  # times that somebody on the way might decode a path


class BadValue(ValueError):
    """A value that must not be sent. The message says why, for a model to read."""


@dataclass(frozen=True, slots=True)
class Style:
    name: str
    explode: bool
    reserved: bool = False


def scalar(value: Any) -> str:
    """As JSON writes it, but for text, which is itself; what is nested deeper than a style can say is JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else dump(value).decode()


def path(name: str, value: Any, style: Style) -> str:
    """What stands in a path for `{name}`."""
    if style.name == "matrix":
        return _matrix(name, value, style)
    if style.name == "label":
        return "." + _joined(value, style, "." if style.explode else ",")
    return _joined(value, style, ",")


def query(name: str, value: Any, style: Style) -> Iterator[str]:
    """The `name=value` pairs of a parameter in a query or a cookie, encoded; none for an empty list or object that has
    to explode."""
    if style.name == "deepObject" and isinstance(value, Mapping):
        for key, member in value.items():
            yield from _deep(f"{name}[{key}]", member, style)
    elif isinstance(value, Mapping) and style.explode:
        for key, member in value.items():
            yield from (f"{_quoted(key)}={_quoted(scalar(one), style)}" for one in _several(member))
    elif isinstance(value, list) and style.explode:
        yield from (f"{_quoted(name)}={_quoted(scalar(one), style)}" for one in value)
    elif isinstance(value, Mapping | list):
        yield f"{_quoted(name)}={_DELIMITERS.get(style.name, ',').join(_pieces(value, style))}"
    else:
        yield f"{_quoted(name)}={_quoted(scalar(value), style)}"


def header(value: Any, style: Style) -> str:
    """Style `simple`, without percent-encoding. Raises `BadValue`."""
    if isinstance(value, Mapping):
        sign = "=" if style.explode else ","
        text = ",".join(f"{key}{sign}{scalar(member)}" for key, member in value.items())
    else:
        text = ",".join(map(scalar, value)) if isinstance(value, list) else scalar(value)
    if _UNFIT.search(text):
        raise BadValue("has a character that no HTTP header can have, such as a line break")
    return text.strip(" ")


def checked_path(path: str) -> str:
    """The whole path of a request. Raises `BadValue` where what was put into it would lead elsewhere, also for
    somebody on the way who decodes it (RFC 3986, 5.2.4)."""
    decoded = path
    for _ in range(_DECODINGS):
        if any(step in {".", ".."} for step in _STEP.split(decoded)):
            raise BadValue("would lead to another path: `.` and `..` cannot be steps of one")
        before, decoded = decoded, unquote(decoded)
        if before == decoded:
            break
    return path


def _matrix(name: str, value: Any, style: Style) -> str:
    if isinstance(value, list) and style.explode:
        return "".join(f";{_quoted(name)}={_quoted(scalar(one))}" for one in value)
    if isinstance(value, Mapping) and style.explode:
        return "".join(f";{_quoted(key)}={_quoted(scalar(member))}" for key, member in value.items())
    text = _joined(value, style, ",")
    return f";{_quoted(name)}={text}" if text else f";{_quoted(name)}"


def _joined(value: Any, style: Style, sign: str) -> str:
    if isinstance(value, Mapping) and style.explode:
        return sign.join(f"{_quoted(key)}={_quoted(scalar(member))}" for key, member in value.items())
    return sign.join(_pieces(value, style)) if isinstance(value, Mapping | list) else _quoted(scalar(value))


def _pieces(value: Mapping[str, Any] | list[Any], style: Style) -> Iterator[str]:
    if isinstance(value, list):
        yield from (_quoted(scalar(one), style) for one in value)
    else:
        for key, member in value.items():
            yield from (_quoted(key), _quoted(scalar(member), style))


def _deep(name: str, value: Any, style: Style) -> Iterator[str]:
    """What the specification leaves open, objects in objects and lists in them, as most servers read it."""
    if isinstance(value, Mapping):
        for key, member in value.items():
            yield from _deep(f"{name}[{key}]", member, style)
    else:
        yield from (f"{_quoted(name)}={_quoted(scalar(one), style)}" for one in _several(value))


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _quoted(text: str, style: Style | None = None) -> str:
    try:
        return quote(text, safe=_RESERVED if style is not None and style.reserved else "")
    except UnicodeEncodeError:
        raise BadValue("has half of a character, which is no text") from None
