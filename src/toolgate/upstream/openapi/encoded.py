"""Writing the body of a request."""

import base64
import binascii
import re
import secrets
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw

from toolgate.protocol.envelope import dump
from toolgate.upstream.openapi.operation import Body, Encoding
from toolgate.upstream.openapi.styles import BadValue, Style, query, scalar

__all__ = ["encoded", "from_base64"]

_FORM: Final = Style("form", explode=True)
_PLAIN: Final = Encoding()
_FILENAME: Final = "_filename"
_DATA_URL: Final = re.compile(r"data:[^,]{0,200};base64,")
_BREAKS: Final = {ord('"'): "%22", ord("\r"): "%0D", ord("\n"): "%0A", 0: "%00"}
_MEDIA_TYPE: Final = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(?: *;[\x20-\x7e]*)?", re.ASCII)


def encoded(body: Body, raw: Raw | None) -> tuple[bytes | None, str]:
    """The bytes, and their media type. Raises `BadValue`."""
    if raw is None or bytes(raw) == b"null":
        return None, ""
    if body.kind == "json":
        return bytes(raw), body.media_type
    value = msgspec.json.decode(raw)
    if body.kind == "bytes":
        return from_base64(value), body.media_type
    if body.kind == "text":
        return scalar(value).encode("utf-8", "surrogatepass"), f"{body.media_type}; charset=utf-8"
    if not isinstance(value, Mapping):
        raise BadValue("should be an object")
    members = {name: member for name, member in value.items() if member is not None}
    if body.kind == "form":
        pairs = [pair for name, member in members.items() for pair in _pairs(name, member, body)]
        return "&".join(pairs).encode(), body.media_type
    boundary = secrets.token_hex(16)
    return _multipart(members, body, boundary), f"{body.media_type}; boundary={boundary}"


def from_base64(value: Any) -> bytes:
    """Raises `BadValue`."""
    if not isinstance(value, str):
        raise BadValue("should be a file in base64")
    try:
        return base64.b64decode("".join(_DATA_URL.sub("", value, 1).split()), validate=True)
    except (binascii.Error, ValueError):
        raise BadValue("is not base64") from None


def _pairs(name: str, value: Any, body: Body) -> Iterator[str]:
    style = body.encodings.get(name, _PLAIN).style
    if style is not None:
        return query(name, value, style)
    return query(name, dump(value).decode() if isinstance(value, Mapping) else value, _FORM)


def _multipart(members: Mapping[str, Any], body: Body, boundary: str) -> bytes:
    """RFC 7578. A list is one part an item."""
    parts: list[bytes] = []
    for name, value in members.items():
        encoding = body.encodings.get(name, _PLAIN)
        if name.endswith(_FILENAME) and name not in _described(body):
            continue
        filename = str(members.get(name + _FILENAME, name))
        several = value if isinstance(value, list) else [value]
        parts.extend(_part(name, one, encoding, filename, boundary) for one in several)
    return b"".join([*parts, b"--%b--\r\n" % boundary.encode()])


def _described(body: Body) -> frozenset[str]:
    """The members that are the API's; a file's name is ours."""
    return frozenset(body.encodings)


def _part(name: str, value: Any, encoding: Encoding, filename: str, boundary: str) -> bytes:
    disposition = f'form-data; name="{name.translate(_BREAKS)}"'
    media_type = encoding.media_type if _MEDIA_TYPE.fullmatch(encoding.media_type) else ""
    if encoding.is_file:
        content = from_base64(value)
        disposition += f'; filename="{filename.translate(_BREAKS)}"'
        media_type = media_type or "application/octet-stream"
    elif isinstance(value, str) and "json" not in media_type:
        content = value.encode("utf-8", "surrogatepass")
    else:
        content = dump(value)
        media_type = media_type or ("application/json" if isinstance(value, Mapping | list) else "")
    kind = f"Content-Type: {media_type}\r\n" if media_type else ""
    head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\n{kind}\r\n"
    return b"%b%b\r\n" % (head.encode("utf-8", "surrogatepass"), content)
