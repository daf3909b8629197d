"""One query or mutation: the tool that it is, and the document that is sent."""

from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLNonNull,
    GraphQLSchema,
    is_required_argument,
    parse,
    print_ast,
    validate,
)

from toolgate.protocol.envelope import dump
from toolgate.upstream.graphql.inputs import arguments_schema
from toolgate.upstream.graphql.selection import BadSelection, automatic, chosen

__all__ = ["Operation", "operation_of"]

SELECT: Final = "select"
_DESCRIPTION: Final = 2_000  # characters
_SHOWN: Final = 400  # characters of what is selected where nobody says it
_ERRORS: Final = 3
_KEPT: Final = 64  # documents with a selection of a caller's own


@dataclass(frozen=True, slots=True)
class Operation:
    """`head` is the document up to what is selected. `select` is the name of the argument that selects; empty for a
    field whose value has no parts."""

    name: str
    field_name: str
    head: str
    selection: str
    select: str
    tool: bytes
    kept: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def document(self) -> str:
        return f"{self.head} {self.selection} }}"

    def selecting(self, text: str, schema: GraphQLSchema) -> str:
        """The document with a selection of the caller's own. Raises `BadSelection`."""
        if text not in self.kept:
            if len(self.kept) >= _KEPT:
                self.kept.clear()
            self.kept[text] = _checked(f"{self.head} {print_ast(chosen(text))} }}", schema)
        return self.kept[text]


def operation_of(kind: str, field_name: str, field: GraphQLField, name: str, schema: GraphQLSchema) -> Operation:
    """`kind` is query or mutation."""
    selection = automatic(schema, field)
    select = "" if not selection else SELECT if SELECT not in field.args else f"{SELECT}_fields"
    tool = {
        "name": name,
        "description": _description(field, f"{kind} {field_name}"),
        "inputSchema": _input(field, select, selection),
        "annotations": {"readOnlyHint": kind == "query", "openWorldHint": True},
    }
    return Operation(name, field_name, _head(kind, field_name, field), selection, select, dump(tool))


def _description(field: GraphQLField, where: str) -> str:
    text = (field.description or "").strip() or f"GraphQL {where}, of type {field.type}"
    if field.deprecation_reason is not None:
        text = f"Deprecated: {field.deprecation_reason}\n\n{text}"
    return text[:_DESCRIPTION]


def _input(field: GraphQLField, select: str, selection: str) -> dict[str, Any]:
    schema = arguments_schema(field.args)
    if select:
        shown = selection if len(selection) <= _SHOWN else f"{selection[:_SHOWN]}…"
        schema["properties"][select] = {
            "type": "string",
            "description": f"What to return of {field.type}, as a GraphQL selection. Without it: {shown}",
        }
    return schema


def _head(kind: str, field_name: str, field: GraphQLField) -> str:
    """All arguments are variables; one that is not given is as if it were not there (6.4.1, CoerceArgumentValues)."""
    variables = ", ".join(f"${name}: {_variable(argument)}" for name, argument in field.args.items())
    arguments = ", ".join(f"{name}: ${name}" for name in field.args)
    head = f"{kind} {field_name}({variables})" if variables else f"{kind} {field_name}"
    call = f"{field_name}({arguments})" if arguments else field_name
    return f"{head} {{ {call}"


def _variable(argument: GraphQLArgument) -> str:
    kind = argument.type
    if isinstance(kind, GraphQLNonNull) and not is_required_argument(argument):
        kind = kind.of_type  # else one would have to give it (5.8.5, All Variable Usages Are Allowed)
    return str(kind)


def _checked(document: str, schema: GraphQLSchema) -> str:
    errors = validate(schema, parse(document, no_location=True), max_errors=_ERRORS)
    if errors:
        raise BadSelection("does not fit the schema: " + "; ".join(error.message for error in errors))
    return document
