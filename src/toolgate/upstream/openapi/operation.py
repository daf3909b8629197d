"""One operation of an API: how it is called, and the tool that it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from yarl import URL

from toolgate.upstream.openapi.styles import Style

__all__ = ["Argument", "Body", "Encoding", "Operation"]


@dataclass(frozen=True, slots=True)
class Argument:
    """`name` is the tool's, `wire` the API's. `place` is path, query, header or cookie; `is_json`: it is written as
    JSON and has no style."""

    name: str
    wire: str
    place: str
    style: Style
    is_json: bool = False
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Encoding:
    """How one member of a form is written; as a file, or else as text of `media_type`, which is empty where its kind
    decides (3.1.1, 4.8.15)."""

    media_type: str = ""
    style: Style | None = None
    is_file: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """`kind` is json, form, multipart, text or bytes."""

    media_type: str
    kind: str
    encodings: Mapping[str, Encoding] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """`security` are the ways to sign in, any one of which is enough: the names of the schemes that each needs.
    `answer` is the schema that the tool promises of its results, as JSON; empty where it promises none."""

    name: str
    method: str
    path: str
    base: URL
    arguments: tuple[Argument, ...]
    body: Body | None
    security: tuple[tuple[str, ...], ...]
    tool: bytes
    answer: bytes = b""
