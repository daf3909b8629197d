"""The kinds of values that `toolgate.yaml` has: how they are written, checked and shown."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from toolgate.model.names import is_server_name, is_team_name, server_name
from toolgate.model.rate import Rate
from toolgate.model.secretref import MASK, Template

__all__ = [
    "MAX_SECONDS", "CallRate", "Collector", "Count", "DatabaseUrl", "Days", "Drain", "Idle", "Listen", "Name", "Ratio",
    "Room", "Seconds", "Share", "Size", "Start", "TeamName", "Text", "Texts", "Workers",
]  # fmt: skip

MAX_SECONDS: Final = 86_400.0

_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(B|KB|KiB|MB|MiB|GB|GiB)?")
_UNITS: Final = {"B": 1, "KB": 10**3, "KiB": 2**10, "MB": 10**6, "MiB": 2**20, "GB": 10**9, "GiB": 2**30}
_LISTEN: Final = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>\d{1,5})")
_USER_INFO: Final = re.compile(r"://[^/?#]*@")


def _not_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("should be a number")  # noqa: TRY004  # what pydantic collects
    return value


def _size(value: Any) -> Any:
    if not isinstance(value, str):
        return _not_bool(value)
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise ValueError('should be a number of bytes, or text such as "4MiB"')
    return int(float(match[1]) * _UNITS[match[2] or "B"])


def _listen(value: str) -> str:
    match = _LISTEN.fullmatch(value)
    if match is None or int(match["port"]) > 0xFFFF:
        raise ValueError("should be an address and a port, such as 127.0.0.1:8765 or [::1]:8765")
    return value


def _database(value: str) -> str:
    scheme = value.partition("://")[0].partition("+")[0]
    if value != "sqlite" and ("://" not in value or scheme not in {"sqlite", "postgresql"}):
        raise ValueError('should be "sqlite", or a URL that begins with sqlite+aiosqlite:// or postgresql+asyncpg://')
    return value


def _collector(value: str) -> str:
    address = urlsplit(value)
    if address.scheme not in {"http", "https"} or not address.hostname:
        raise ValueError("should be a URL, such as http://127.0.0.1:4318")
    if "@" in address.netloc:
        raise ValueError("holds a password; write it into `headers`")
    return value


def _without_password(url: str) -> str:
    return _USER_INFO.sub(f"://{MASK}@", url)


def _name(value: str) -> str:
    if not is_server_name(value):
        raise ValueError(
            "a name has letters, digits, - and _, at most 32 of them, no __ and no _ at its end; "
            f"the nearest is `{server_name(value)}`"
        )
    return value


def _team_name(value: str) -> str:
    if not is_team_name(value):
        raise ValueError("a team's name has letters, digits, `.`, `-` and `_`, at most 64 of them")
    return value


def _rate(value: Any) -> Rate:
    if isinstance(value, Rate):
        return value
    return Rate.of(value if isinstance(value, str) else "")


def _template(value: Any) -> Template:
    if isinstance(value, bool):
        return Template(str(value).lower())
    if isinstance(value, str | int | float | Template):
        return Template.of(value)
    raise ValueError("should be text")


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: member for name, member in value.items() if member is not None}
    return value


Seconds = Annotated[float, BeforeValidator(_not_bool), Field(gt=0, le=MAX_SECONDS, allow_inf_nan=False)]
Start = Literal["boot", "use"]
Idle = Seconds | Literal["never"]
Size = Annotated[
    int,
    BeforeValidator(_size),
    Field(gt=0),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": f"^{_SIZE.pattern}$"}]}),
]
Room = Annotated[
    int,
    BeforeValidator(_size),
    Field(ge=0),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": f"^{_SIZE.pattern}$"}]}),
]
Days = Annotated[float, BeforeValidator(_not_bool), Field(gt=0, le=36_500, allow_inf_nan=False)]
Count = Annotated[int, BeforeValidator(_not_bool), Field(gt=0)]
CallRate = Annotated[
    Rate,
    PlainValidator(_rate),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["100/minute", "100/minute burst 20"]}),
]
Share = Annotated[float, BeforeValidator(_not_bool), Field(gt=0, lt=1, allow_inf_nan=False)]
Name = Annotated[str, AfterValidator(_name)]
TeamName = Annotated[str, AfterValidator(_team_name)]
# What is written in a definition may hold a secret. It is dumped masked, so that a document can always be shown.
Text = Annotated[
    Template,
    PlainValidator(_template),
    PlainSerializer(Template.display, return_type=str),
    WithJsonSchema({"type": ["string", "number", "boolean"]}),
]
Texts = Annotated[Mapping[str, Text], BeforeValidator(_without_nulls)]
Drain = Annotated[float, BeforeValidator(_not_bool), Field(ge=0, le=MAX_SECONDS, allow_inf_nan=False)]
Ratio = Annotated[float, BeforeValidator(_not_bool), Field(ge=0, le=1, allow_inf_nan=False)]
Workers = Annotated[int, BeforeValidator(_not_bool), Field(ge=1, le=64)]
Listen = Annotated[str, AfterValidator(_listen)]
DatabaseUrl = Annotated[str, AfterValidator(_database), PlainSerializer(_without_password)]
Collector = Annotated[str, AfterValidator(_collector)]
