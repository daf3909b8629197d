"""The body of a request as the argument `body` of a tool (OpenAPI 3.1.1, 4.8.13 to 4.8.15)."""

import re
from collections.abc import Mapping
from typing import Any, Final

from openapi_pydantic.v3 import v3_1

from toolgate.upstream.openapi.operation import Body, Encoding
from toolgate.upstream.openapi.parameters import BODY, ArgumentPart
from toolgate.upstream.openapi.schemas import Part, Schemas, Unusable
from toolgate.upstream.openapi.styles import Style

__all__ = ["described_body", "is_json"]

_MEDIA_TYPE: Final = re.compile(r"[\w!#$&^.*+-]+/[\w!#$&^.*+-]+", re.ASCII)  # RFC 6838, 4.2; and ranges
_FILENAME: Final = "_filename"
_FILE: Final = {"type": "string", "contentEncoding": "base64"}
_TEXT: Final = {"type": "string"}
_ORDER: Final = ("json", "multipart", "form", "text", "bytes")
_KINDS: Final = {"multipart/form-data": "multipart", "application/x-www-form-urlencoded": "form"}


def is_json(media_type: str) -> bool:
    return media_type == "application/json" or media_type.endswith("+json")


def described_body(
    request: v3_1.RequestBody | v3_1.Reference | None, written: Any, schemas: Schemas, taken: set[str]
) -> tuple[Body | None, ArgumentPart | None]:
    """Of several media types the one that says most to a model. Raises `Unusable`."""
    if not isinstance(request, v3_1.RequestBody) or not request.content:
        return None, None
    if unfit := [media_type for media_type in request.content if not _MEDIA_TYPE.fullmatch(_bare(media_type))]:
        raise Unusable(f"takes a body of {unfit[0][:40]!r}, which is no media type")
    name = min(request.content, key=lambda media_type: _ORDER.index(_kind(_bare(media_type))))
    kind, media_type = _kind(_bare(name)), _bare(name)
    media = written["content"][name]
    schema = media.get("schema", {}) if isinstance(media, Mapping) else {}
    description = request.description or ""
    encodings: dict[str, Encoding] = {}
    if kind == "json":
        part = schemas.part(schema)
    elif kind in {"form", "multipart"}:
        part, encodings = _form(kind, schema, request.content[name].encoding or {}, schemas)
    else:
        part = Part(dict(_TEXT if kind == "text" else _FILE))
        what = media_type if kind == "text" else f"a file of {media_type}, in base64"
        description = f"{description}\n{what}".strip()
    return Body(_concrete(media_type, kind), kind, encodings), ArgumentPart(BODY, part, request.required, description)


def _form(
    kind: str, schema: Any, given: Mapping[str, v3_1.Encoding], schemas: Schemas
) -> tuple[Part, dict[str, Encoding]]:
    """The schema in place of a reference to it, since files are described in it."""
    whole = schemas.resolved(schema)
    if not isinstance(whole, Mapping):
        raise Unusable("has a form without a schema")
    part = schemas.part(whole)
    if not isinstance(members := part.schema.get("properties"), dict):
        return part, {}
    encodings: dict[str, Encoding] = {}
    for name, raw in whole["properties"].items():
        is_list, inner = _item(schemas.resolved(raw), schemas)
        encodings[name] = encoding = _encoding(kind, given.get(name), inner)
        if encoding.is_file:
            described = {key: members[name][key] for key in ("title", "description") if key in members[name]}
            members[name] = {**described, **({"type": "array", "items": _FILE} if is_list else _FILE)}
    for name in [name for name, encoding in encodings.items() if encoding.is_file]:
        if name + _FILENAME not in members:
            members[name + _FILENAME] = {"type": "string", "description": f"The name of the file `{name}`."}
    return part, encodings


def _item(schema: Any, schemas: Schemas) -> tuple[bool, Any]:
    """Whether it is a list, and what is written once or for each of its items."""
    if isinstance(schema, Mapping) and schema.get("type") == "array":
        return True, schemas.resolved(schema.get("items", {}))
    return False, schema


def _encoding(kind: str, given: v3_1.Encoding | None, schema: Any) -> Encoding:
    media_type = (given.contentType or "").partition(",")[0].strip() if given is not None else ""
    style = None
    if kind == "form" and given is not None and (given.style or given.explode is not None):
        name = given.style or "form"
        style = Style(name, given.explode if given.explode is not None else name == "form", given.allowReserved)
    if "*" in media_type:
        media_type = ""
    return Encoding(media_type, style, kind == "multipart" and _is_file(schema))


def _is_file(schema: Any) -> bool:
    """3.0.4: `format: binary`; 3.1.1, 4.4.3, Migrating Binary Descriptions from OAS 3.0."""
    if not isinstance(schema, Mapping) or schema.get("type", "string") not in {"string", "file"}:
        return False
    if schema.get("type") == "file" or schema.get("format") in {"binary", "byte"}:
        return True
    media_type = schema.get("contentMediaType")
    return "contentEncoding" in schema or (isinstance(media_type, str) and _kind(media_type) == "bytes")


def _kind(media_type: str) -> str:
    if media_type in _KINDS:
        return _KINDS[media_type]
    if is_json(media_type) or media_type == "*/*":
        return "json"
    is_text = media_type.startswith("text/") or media_type.endswith(("+xml", "/xml", "/yaml", "+yaml"))
    return "text" if is_text or media_type == "application/graphql" else "bytes"


def _bare(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def _concrete(media_type: str, kind: str) -> str:
    if "*" not in media_type:
        return media_type
    return {"json": "application/json", "text": "text/plain"}.get(kind, "application/octet-stream")
