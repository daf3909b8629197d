"""Schemas of a description as JSON Schema 2020-12, which is what tools have.

A schema stays as it was written. What changes is what reads differently there: references lead into `$defs`, and
OpenAPI 3.0's own words (`nullable`, boolean `exclusiveMinimum`, `format: byte`) become those of JSON Schema. Of answers
only the shape is kept: what APIs answer is seldom as strict as what they say, and a client refuses what does not fit.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from toolgate.protocol.envelope import dump
from toolgate.upstream.services.names import legal, unique

__all__ = ["Part", "Schemas", "Unusable", "is_object"]

_ONE: Final = frozenset({
    "additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not",
    "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
})  # fmt: skip
_BY_NAME: Final = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
_LISTED: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_TYPES: Final = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
# They say where a schema stands in its document, from which it is taken.
_PLACES: Final = frozenset(
    {"$anchor", "$dynamicAnchor", "$id", "$schema", "example", "externalDocs", "nullable", "xml"}
)
_SHAPE: Final = frozenset({
    "$ref", "additionalProperties", "allOf", "anyOf", "contentEncoding", "contentMediaType", "deprecated",
    "description", "examples", "items", "oneOf", "patternProperties", "prefixItems", "properties", "title", "type",
})  # fmt: skip
_DEEPEST: Final = 100
_MOST: Final = 50_000  # schemas in one: what YAML's anchors can spell in a few lines is larger than any machine
# Bytes of the `$defs` of a tool: about as many as a model can make sense of, and of answers it needs the gist.
_ROOM: Final = 24 * 1024
_ROOM_OF_ANSWERS: Final = 8 * 1024
_HOPS: Final = 20


class Unusable(ValueError):
    """A part of a description that no tool can be made of. The message says why."""


@dataclass(frozen=True, slots=True)
class Part:
    """A schema, and the pointers that it refers to."""

    schema: Any
    refers: tuple[str, ...] = ()


class Schemas:
    """`old`: they are OpenAPI 3.0's."""

    def __init__(self, document: Mapping[str, Any], *, old: bool) -> None:
        self._document = document
        self._old = old
        self._names: dict[str, str] = {}
        self._taken: set[str] = set()
        self._parts: dict[tuple[str, bool], tuple[Part, int]] = {}

    def part(self, schema: Any, *, answer: bool = False) -> Part:
        """Raises `Unusable`."""
        walk = _Walk(self._old, answer, self._name)
        return Part(walk.schema(schema, 0), tuple(walk.refers))

    def definitions(self, parts: Iterable[Part], *, answer: bool = False) -> dict[str, Any]:
        """The `$defs` of these. The nearest come first; where they become too many, the others say only their name."""
        found: dict[str, Any] = {}
        waiting = list(dict.fromkeys(pointer for part in parts for pointer in part.refers))
        room = _ROOM_OF_ANSWERS if answer else _ROOM
        for pointer in waiting:  # which grows meanwhile
            part, size = self._referred(pointer, answer=answer)
            room -= size
            if room < 0:
                found[self._name(pointer)] = {"title": self._name(pointer)}
                continue
            found[self._name(pointer)] = part.schema
            waiting.extend(further for further in part.refers if further not in waiting)
        return found

    def resolved(self, value: Any) -> Any:
        """What an object of the description refers to, or itself. Raises `Unusable`."""
        for _ in range(_HOPS):
            if not isinstance(value, Mapping) or not isinstance(pointer := value.get("$ref"), str):
                return value
            value = self._at(pointer)
        raise Unusable("refers to itself")

    def _referred(self, pointer: str, *, answer: bool) -> tuple[Part, int]:
        known = self._parts.get((pointer, answer))
        if known is None:
            part = self.part(self._at(pointer), answer=answer)
            known = self._parts[pointer, answer] = part, len(dump(part.schema))
        return known

    def _name(self, pointer: str) -> str:
        if pointer not in self._names:
            self._at(pointer)
            name = unique(legal(_unescaped(pointer.rpartition("/")[2]), "schema"), pointer, self._taken)
            self._taken.add(name)
            self._names[pointer] = name
        return self._names[pointer]

    def _at(self, pointer: str) -> Any:
        """RFC 6901, 6, URI Fragment Identifier Representation."""
        if pointer != "#" and not pointer.startswith("#/"):
            raise Unusable(f"refers to another document ({pointer[:80]}); bundle them into one")
        value: Any = self._document
        for step in pointer.split("/")[1:]:
            key = _unescaped(step)
            if isinstance(value, Mapping) and key in value:
                value = value[key]
            elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
                value = value[int(key)]
            else:
                raise Unusable(f"refers to {pointer[:80]}, which is not there")
        return value


class _Walk:
    """Through one schema."""

    def __init__(self, old: bool, answer: bool, name: Any) -> None:
        self.refers: dict[str, None] = {}
        self._old = old
        self._answer = answer
        self._name = name
        self._count = 0

    def schema(self, written: Any, depth: int) -> Any:
        self._count += 1
        if depth > _DEEPEST or self._count > _MOST:
            raise Unusable("has a schema that is nested too deep" if depth > _DEEPEST else "has too large a schema")
        if not isinstance(written, Mapping):
            return written if isinstance(written, bool) else {}
        if self._old and "$ref" in written:
            written = {key: written[key] for key in ("$ref", "description", "nullable") if key in written}
        schema = {key: self._member(key, value, depth + 1) for key, value in written.items() if key not in _PLACES}
        self._mend(schema, written)
        if self._answer:
            schema = _loose(schema)
        return _nullable(schema) if self._old and written.get("nullable") is True else schema

    def _member(self, key: str, value: Any, depth: int) -> Any:
        if key == "$ref" and isinstance(value, str):
            name = self._name(value)
            self.refers[value] = None
            return f"#/$defs/{name}"
        if key in _LISTED or (key == "items" and isinstance(value, list)):
            return [self.schema(one, depth) for one in value] if isinstance(value, list) else []
        if key in _BY_NAME:
            members = value.items() if isinstance(value, Mapping) else ()
            return {str(name): self.schema(one, depth) for name, one in members}
        return self.schema(value, depth) if key in _ONE else value

    def _mend(self, schema: dict[str, Any], written: Mapping[str, Any]) -> None:
        """What no validator of 2020-12 would take, or would take for something else."""
        if "example" in written and "examples" not in schema:
            schema["examples"] = [written["example"]]
        if not isinstance(schema.get("examples", []), list):
            del schema["examples"]
        for bound, strict in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
            if isinstance(schema.get(strict), bool) and schema.pop(strict) and bound in schema:
                schema[strict] = schema.pop(bound)
        if schema.get("format") in {"binary", "byte"} and schema.get("type", "string") == "string":
            del schema["format"]
            schema |= {"type": "string", "contentEncoding": "base64"}
        kinds = schema.get("type", [])
        if not {kinds} <= _TYPES if isinstance(kinds, str) else not set(map(str, kinds or ())) <= _TYPES:
            del schema["type"]
        self._mend_required(schema, written)

    def _mend_required(self, schema: dict[str, Any], written: Mapping[str, Any]) -> None:
        """What only the server says need not be sent (3.1.1, 4.8.24; 3.0.4, Fixed Fields, readOnly)."""
        if "required" not in schema:
            return
        members = written.get("properties")
        members = members if isinstance(members, Mapping) else {}
        named = schema["required"] if isinstance(schema["required"], list) else []
        kept = [name for name in named if not _is_read_only(members.get(name))]
        schema["required"] = kept
        if not kept:
            del schema["required"]


def _is_read_only(schema: Any) -> bool:
    return isinstance(schema, Mapping) and schema.get("readOnly") is True


def _loose(schema: dict[str, Any]) -> dict[str, Any]:
    """The shape of an answer: nothing has to be there, anything may be null, and further values may come."""
    shape = {key: value for key, value in schema.items() if key in _SHAPE}
    if shape.get("additionalProperties") is False:
        del shape["additionalProperties"]
    if isinstance(schema.get("enum"), list):
        shape["examples"] = schema["enum"]
    if "oneOf" in shape:  # of which several fit as soon as nothing has to be there
        shape["anyOf"] = [*shape.get("anyOf", []), *shape.pop("oneOf")]
    if isinstance(kinds := shape.get("type"), str):
        shape["type"] = [kinds, "null"] if kinds != "null" else kinds
    elif isinstance(kinds, list) and "null" not in kinds:
        shape["type"] = [*kinds, "null"]
    return shape


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    """OpenAPI 3.0.4, 4.7.24.1, nullable."""
    kinds = schema.get("type")
    if kinds is None:
        return {"anyOf": [schema, {"type": "null"}]}
    listed = [kinds] if isinstance(kinds, str) else kinds
    schema["type"] = [*listed, "null"] if "null" not in listed else listed
    if isinstance(enum := schema.get("enum"), list) and None not in enum:
        schema["enum"] = [*enum, None]
    return schema


def is_object(schema: Any, schemas: Schemas) -> bool:
    """Whether what this says is an object in any case."""
    schema = schemas.resolved(schema)
    if not isinstance(schema, Mapping):
        return False
    if "type" in schema:
        return bool(schema["type"] in ("object", ["object"])) and schema.get("nullable") is not True
    return "properties" in schema or any(is_object(one, schemas) for one in _all(schema))


def _all(schema: Mapping[str, Any]) -> list[Any]:
    parts = schema.get("allOf")
    return parts if isinstance(parts, list) else []


def _unescaped(step: str) -> str:
    return unquote(step).replace("~1", "/").replace("~0", "~")
