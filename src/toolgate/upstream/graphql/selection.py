"""What is asked for of a field's value: enough to be useful where nobody says it, and what a caller says otherwise."""

from collections.abc import Iterator
from typing import Any, Final

from graphql import (
    GraphQLError,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    parse,
)

__all__ = ["BadSelection", "automatic", "chosen", "is_composite"]

_DEPTH: Final = 3
_FIELDS: Final = 150
_KINDS: Final = 10  # of a union
_TOKENS: Final = 2_000
_DEEPEST: Final = 12


class BadSelection(ValueError):
    """The message is for a model to read."""


def is_composite(kind: Any) -> bool:
    return not is_leaf_type(get_named_type(kind))


def automatic(schema: GraphQLSchema, field: GraphQLField) -> str:
    """The text of a selection set, braces included: what is no object first, then what is, three levels deep, and none
    that is inside itself. Empty for a field that has none."""
    if not is_composite(field.type):
        return ""
    return _Selecting(schema).of(get_named_type(field.type), 1, ()) or "{ __typename }"


def chosen(text: str) -> SelectionSetNode:
    """A caller's own, with or without braces around it. Raises `BadSelection`; whether the fields are there is not
    looked at here."""
    text = text.strip()
    try:
        document = parse(text if text.startswith("{") else f"{{ {text} }}", no_location=True, max_tokens=_TOKENS)
    except GraphQLError as error:
        raise BadSelection(f"is no GraphQL selection: {error.message}") from None
    except RecursionError:
        raise BadSelection("is nested too deep") from None
    operation = document.definitions[0]
    if len(document.definitions) != 1 or not isinstance(operation, OperationDefinitionNode):
        raise BadSelection("should be one selection, such as `id name owner { name }`")
    if not operation.selection_set.selections:
        raise BadSelection("is empty")
    if _depth(operation.selection_set) > _DEEPEST:
        raise BadSelection(f"is nested deeper than {_DEEPEST}")
    return operation.selection_set


def _depth(selected: SelectionSetNode) -> int:
    deepest, level = 0, [selected]
    while level and deepest <= _DEEPEST:
        deepest += 1
        level = [inner for one in level for inner in _inside(one)]
    return deepest


def _inside(selected: SelectionSetNode) -> Iterator[SelectionSetNode]:
    for one in selected.selections:
        inner = getattr(one, "selection_set", None)
        if isinstance(inner, SelectionSetNode):
            yield inner


class _Selecting:
    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._room = _FIELDS

    def of(self, kind: Any, depth: int, inside: tuple[str, ...]) -> str:
        """Empty where there is nothing to select."""
        if isinstance(kind, GraphQLUnionType):
            return self._of_union(kind)
        fields = self._fields(kind)
        chosen = ["__typename"] if isinstance(kind, GraphQLInterfaceType) else []
        chosen += self._leaves(fields)
        if depth < _DEPTH:
            chosen.extend(self._objects(fields, depth, (*inside, kind.name)))
        return f"{{ {' '.join(chosen)} }}" if chosen else ""

    def _leaves(self, fields: dict[str, GraphQLField]) -> list[str]:
        leaves = [name for name, field in fields.items() if not is_composite(field.type)][: max(self._room, 0)]
        self._room -= len(leaves)
        return leaves

    def _objects(self, fields: dict[str, GraphQLField], depth: int, inside: tuple[str, ...]) -> Iterator[str]:
        for name, field in fields.items():
            kind = get_named_type(field.type)
            if is_leaf_type(kind) or kind.name in inside or self._room <= 0:
                continue
            if inner := self.of(kind, depth + 1, inside):
                yield f"{name} {inner}"

    def _of_union(self, kind: GraphQLUnionType) -> str:
        """Two kinds may have one name for values that do not merge (5.3.2, Field Selection Merging): the first one's
        counts."""
        parts = ["__typename"]
        known: dict[str, str] = {}
        for member in kind.types[:_KINDS]:
            fields = self._fields(member)
            fitting = {
                name: field
                for name, field in fields.items()
                if known.setdefault(name, str(field.type)) == str(field.type)
            }
            if leaves := self._leaves(fitting):
                parts.append(f"... on {member.name} {{ {' '.join(leaves)} }}")
        return f"{{ {' '.join(parts)} }}"

    def _fields(self, kind: GraphQLObjectType | GraphQLInterfaceType) -> dict[str, GraphQLField]:
        """Those that can be asked for as they are."""
        return {
            name: field
            for name, field in kind.fields.items()
            if field.deprecation_reason is None and not any(map(is_required_argument, field.args.values()))
        }
