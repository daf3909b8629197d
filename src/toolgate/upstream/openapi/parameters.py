"""The parameters of an operation as arguments of a tool (OpenAPI 3.1.1, 4.8.12)."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from openapi_pydantic.v3 import v3_1

from toolgate.upstream.openapi.operation import Argument
from toolgate.upstream.openapi.schemas import Part, Schemas, Unusable
from toolgate.upstream.openapi.styles import Style
from toolgate.upstream.services.names import legal, unique

__all__ = ["ArgumentPart", "described_parameters"]

BODY: Final = "body"
_DEFAULTS: Final = {"path": "simple", "header": "simple", "query": "form", "cookie": "form"}
_STYLES: Final = {
    "path": {"simple", "label", "matrix"},
    "header": {"simple"},
    "query": {"form", "spaceDelimited", "pipeDelimited", "deepObject"},
    "cookie": {"form", "cookie"},
}
# Described elsewhere (4.8.12.2.1), or part of how the message is framed.
_NOT_HEADERS: Final = frozenset({
    "accept", "accept-encoding", "authorization", "connection", "content-length", "content-type", "cookie", "expect",
    "host", "keep-alive", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
_FIELD_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, 5.1
_TEMPLATE: Final = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class ArgumentPart:
    """What the tool's schema says of an argument."""

    name: str
    part: Part
    required: bool
    description: str = ""


def described_parameters(
    path: str,
    model: v3_1.Operation,
    written: list[Mapping[str, Any]],
    schemas: Schemas,
    own_headers: Collection[str],
) -> tuple[tuple[Argument, ...], list[ArgumentPart]]:
    """Raises `Unusable`."""
    arguments: list[Argument] = []
    parts: list[ArgumentPart] = []
    taken = {BODY}
    for parameter, raw in zip(model.parameters or (), written, strict=True):
        if not isinstance(parameter, v3_1.Parameter):
            raise Unusable("has a parameter that is none")
        place = parameter.param_in.value
        if place == "header" and not _is_settable(parameter.name, own_headers):
            continue
        name = unique(legal(parameter.name, place), f"{place} {parameter.name}", taken)
        taken.add(name)
        content = next(iter(parameter.content or ()), "")
        media = raw["content"][content] if content else raw
        part = schemas.part(media.get("schema", {}) if isinstance(media, Mapping) else {})
        style, is_number = _style(parameter, place), _is_number(part.schema)
        arguments.append(Argument(name, parameter.name, place, style, bool(content), is_number))
        required = parameter.required or place == "path"
        parts.append(ArgumentPart(name, part, required, parameter.description or ""))
    in_path = {argument.wire for argument in arguments if argument.place == "path"}
    if missing := set(_TEMPLATE.findall(path)) - in_path:
        raise Unusable(f"has {{{min(missing)}}} in its path and no parameter for it")
    return tuple(arguments), parts


def _is_number(schema: Any) -> bool:
    kinds = schema.get("type") if isinstance(schema, Mapping) else None
    return kinds in ("integer", "number") or (isinstance(kinds, list) and bool({"integer", "number"} & set(kinds)))


def _is_settable(name: str, own_headers: Collection[str]) -> bool:
    return name.lower() not in _NOT_HEADERS | set(own_headers) and _FIELD_NAME.fullmatch(name) is not None


def _style(parameter: v3_1.Parameter, place: str) -> Style:
    name = parameter.style or _DEFAULTS[place]
    if name not in _STYLES[place]:
        name = _DEFAULTS[place]
    explode = parameter.explode if parameter.explode is not None else name in {"form", "cookie"}
    return Style(name, explode, parameter.allowReserved and place == "query")
