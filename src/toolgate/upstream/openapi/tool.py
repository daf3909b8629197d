"""What a client sees of an operation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from openapi_pydantic.v3 import v3_1

from toolgate.protocol.envelope import dump
from toolgate.upstream.openapi.bodies import is_json
from toolgate.upstream.openapi.parameters import ArgumentPart
from toolgate.upstream.openapi.schemas import Schemas, is_object

__all__ = ["Parts", "tool_of"]

_DESCRIPTION: Final = 2_000  # characters
_HINTS: Final[Mapping[str, Mapping[str, bool]]] = {
    "GET": {"readOnlyHint": True},
    "QUERY": {"readOnlyHint": True},
    "PUT": {"readOnlyHint": False, "idempotentHint": True},
    "DELETE": {"readOnlyHint": False, "idempotentHint": True, "destructiveHint": True},
}  # RFC 9110, 9.2.1 and 9.2.2


@dataclass(frozen=True, slots=True)
class Parts:
    """`answers` are the media types of each answer that is a success."""

    arguments: list[ArgumentPart]
    body: ArgumentPart | None
    answers: list[Mapping[str, Any]]
    schemas: Schemas


def tool_of(name: str, where: str, model: v3_1.Operation, parts: Parts) -> tuple[bytes, bytes]:
    """The tool, and what it says of its results, as JSON. Raises `Unusable`."""
    method = where.partition(" ")[0]
    tool: dict[str, Any] = {"name": name}
    if model.summary:
        tool["title"] = model.summary[:200]
    tool["description"] = _description(model, where)
    tool["inputSchema"] = _input(parts)
    answer = _output(parts)
    if answer is not None:
        tool["outputSchema"] = answer
    tool["annotations"] = {**_HINTS.get(method, {"readOnlyHint": False}), "openWorldHint": True}
    return dump(tool), dump(answer) if answer is not None else b""


def _description(model: v3_1.Operation, where: str) -> str:
    said = [text.strip() for text in (model.summary, model.description) if text and text.strip()]
    if len(said) == 2 and said[1].startswith(said[0]):
        del said[0]
    text = "\n\n".join(said) or where
    if model.deprecated:
        text = f"Deprecated. {text}"
    return text if len(text) <= _DESCRIPTION else f"{text[:_DESCRIPTION]}…"


def _input(parts: Parts) -> dict[str, Any]:
    all_parts = [*parts.arguments, *([parts.body] if parts.body is not None else ())]
    schema: dict[str, Any] = {"type": "object", "properties": {one.name: _described(one) for one in all_parts}}
    if required := [one.name for one in all_parts if one.required]:
        schema["required"] = required
    schema["additionalProperties"] = False
    if definitions := parts.schemas.definitions([one.part for one in all_parts]):
        schema["$defs"] = definitions
    return schema


def _described(one: ArgumentPart) -> Any:
    schema = one.part.schema
    if not one.description or not isinstance(schema, dict):
        return schema
    return {**schema, "description": one.description[:_DESCRIPTION]}


def _output(parts: Parts) -> dict[str, Any] | None:
    """None unless every success is said to be an object, of one schema."""
    found: list[Any] = []
    for content in parts.answers:
        media = next((media for kind, media in content.items() if is_json(str(kind).partition(";")[0].strip())), None)
        if not isinstance(media, Mapping) or not is_object(schema := media.get("schema"), parts.schemas):
            return None
        found.append(schema)
    if not found or any(schema != found[0] for schema in found):
        return None
    part = parts.schemas.part(parts.schemas.resolved(found[0]), answer=True)
    schema = {**part.schema, "type": "object"}
    if definitions := parts.schemas.definitions([part], answer=True):
        schema["$defs"] = definitions
    return schema
