"""Arguments of a GraphQL field as JSON Schema (GraphQL, October 2021, 3.10 Input Objects, 3.12 Non-Null)."""

from collections.abc import Mapping
from typing import Any, Final

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    is_required_argument,
    is_required_input_field,
    value_from_ast_untyped,
)

from toolgate.protocol.envelope import dump

__all__ = ["arguments_schema"]

_SCALARS: Final[Mapping[str, Mapping[str, Any]]] = {
    "Int": {"type": "integer"},
    "Float": {"type": "number"},
    "String": {"type": "string"},
    "Boolean": {"type": "boolean"},
    "ID": {"type": ["string", "integer"]},
}
_ROOM: Final = 24 * 1024  # bytes of the `$defs` of a tool
_DESCRIPTION: Final = 1_000  # characters


def arguments_schema(arguments: Mapping[str, GraphQLArgument]) -> dict[str, Any]:
    """An object with the arguments as its members."""
    inputs = _Inputs()
    schema = {**inputs.members(arguments), "additionalProperties": False}
    if definitions := inputs.definitions():
        schema["$defs"] = definitions
    return schema


class _Inputs:
    def __init__(self) -> None:
        self._waiting: dict[str, GraphQLInputObjectType] = {}

    def members(self, fields: Mapping[str, GraphQLArgument] | Mapping[str, GraphQLInputField]) -> dict[str, Any]:
        properties = {name: self._member(field) for name, field in fields.items()}
        required = [name for name, field in fields.items() if _is_required(field)]
        return {"type": "object", "properties": properties, **({"required": required} if required else {})}

    def definitions(self) -> dict[str, Any]:
        """The nearest first; where they become too many, the others say only their name."""
        found: dict[str, Any] = {}
        room = _ROOM
        names = list(self._waiting)
        for name in names:  # which grows meanwhile
            kind = self._waiting[name]
            schema: dict[str, Any] = {**self.members(kind.fields), "additionalProperties": False}
            if kind.description:
                schema["description"] = kind.description[:_DESCRIPTION]
            if getattr(kind, "is_one_of", False):
                schema |= {"minProperties": 1, "maxProperties": 1}
            room -= len(dump(schema))
            found[name] = schema if room >= 0 else {"title": name, "type": "object"}
            if room >= 0:
                names.extend(further for further in self._waiting if further not in names)
        return {name: found.get(name, {"title": name, "type": "object"}) for name in self._waiting}

    def _member(self, field: GraphQLArgument | GraphQLInputField) -> dict[str, Any]:
        schema = self._type(field.type)
        if field.description:
            schema["description"] = field.description[:_DESCRIPTION]
        if field.deprecation_reason is not None:
            schema["deprecated"] = True
        if field.default is not None and field.default.literal is not None:
            schema["default"] = value_from_ast_untyped(field.default.literal)
        return schema

    def _type(self, kind: Any) -> dict[str, Any]:
        if isinstance(kind, GraphQLNonNull):
            return self._given(kind.of_type)
        schema = self._given(kind)
        kinds = schema.get("type")
        if kinds is None:
            return {"anyOf": [schema, {"type": "null"}]} if schema.keys() & {"$ref"} else schema
        schema["type"] = [*([kinds] if isinstance(kinds, str) else kinds), "null"]
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
        return schema

    def _given(self, kind: Any) -> dict[str, Any]:
        """Of a value that is not null."""
        if isinstance(kind, GraphQLList):
            return {"type": "array", "items": self._type(kind.of_type)}
        if isinstance(kind, GraphQLEnumType):
            return {"type": "string", "enum": list(kind.values)}
        if isinstance(kind, GraphQLInputObjectType):
            self._waiting.setdefault(kind.name, kind)
            return {"$ref": f"#/$defs/{kind.name}"}
        return _scalar(kind)


def _scalar(kind: GraphQLScalarType) -> dict[str, Any]:
    """Of what only the API knows the words say what it takes."""
    if kind.name in _SCALARS:
        return dict(_SCALARS[kind.name])
    said = [kind.description or "", kind.specified_by_url or ""]
    schema: dict[str, Any] = {"title": kind.name}
    if words := " ".join(text for text in said if text)[:_DESCRIPTION]:
        schema["description"] = words
    return schema


def _is_required(field: GraphQLArgument | GraphQLInputField) -> bool:
    return is_required_argument(field) if isinstance(field, GraphQLArgument) else is_required_input_field(field)
