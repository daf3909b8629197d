"""A few messages that between them hold everything a published schema names.

Each member of each object is there once, each alternative, each word of each enumeration, each type; each object that
the schema leaves open has a member that no revision names; and each object also stands there with only what it needs.
"""

from typing import Any, Final

from tests.exact import Number
from tests.transparency.offer import ODD
from tests.transparency.schema import Node, Schema, alternatives_of, words_of

__all__ = ["every"]

_DEPTH: Final = 7
_TEXTS: Final = {
    None: ["", ODD["lines"] + ODD["astral"]],
    "uri": ["https://example.com/%20?a=\u2028#b", "x:y"],
    "uri-template": ["x://{+a}/{?b*}"],
    "byte": ["AAEC/w=="],
}
_INTEGERS: Final = [ODD["beyond"], ODD["big"], Number("0")]
_NUMBERS: Final = [Number("0.10"), ODD["big"], *ODD["form"], ODD["huge"]]
_ANYTHING: Final = [ODD, [Number("1.10"), ODD], ODD["lines"], ODD["beyond"], Number("0.1000"), True, False, None]


def every(schema: Schema, node: Node, left: int = _DEPTH) -> list[Any]:
    """At least one value."""
    node = schema.resolved(node)
    if alternatives := alternatives_of(node):
        return [value for each in alternatives for value in every(schema, each, left)]
    if words := words_of(node):
        return words
    match node.get("type"):
        case "object":
            return _objects(schema, node, left - 1)
        case "array":
            return _arrays(schema, node, left - 1)
        case "string":
            return [text for text in _TEXTS[node.get("format")] if len(text) >= node.get("minLength", 0)]
        case "integer":
            return _INTEGERS
        case "number":
            return [Number("0.50"), Number("0"), Number("1.0")] if "minimum" in node else _NUMBERS
        case "boolean":
            return [True, False]
        case "null":
            return [None]
        case None:
            return _ANYTHING
        case other:
            raise NotImplementedError(f"nobody knows every {other!r}")


def _arrays(schema: Schema, node: Node, left: int) -> list[Any]:
    """One with everything, and an empty one."""
    items = every(schema, node.get("items", {}), left)[: node.get("maxItems")] if left >= 0 else []
    return [items] if node.get("minItems") else [items, []]


def _objects(schema: Schema, node: Node, left: int) -> list[Any]:
    required = node.get("required", ())
    columns = {
        name: every(schema, each, left)
        for name, each in node.get("properties", {}).items()
        if name in required or left > 0
    }
    length = max(map(len, columns.values()), default=1)
    more = _more(schema, node, left)
    full = [{**{name: column[row % len(column)] for name, column in columns.items()}, **more} for row in range(length)]
    return [*full, {name: columns[name][0] for name in required}]


def _more(schema: Schema, node: Node, left: int) -> dict[str, Any]:
    room = node.get("additionalProperties", True)
    if room is False or left <= 0:
        return {}
    if room is True or room == {}:
        return {"unknown": ODD if left == _DEPTH - 1 else ODD["form"]}
    return {f"no. {number}": value for number, value in enumerate(every(schema, room, left))}
