"""How much work a JSON Schema makes, worked out before it is used: it comes from a server, which may be hostile.

2026-07-28, Overview, Composition-Keyword Resource Use: bounds on the depth and the number of subschemas.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

__all__ = ["Extent", "TooComplex", "extent"]

_MOST_SUBSCHEMAS: Final = 10_000
_MOST_PATTERNS: Final = 64
_DEEPEST: Final = 100

_ONE: Final = (
    "additionalItems",
    "additionalProperties",
    "contains",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_LISTS: Final = ("allOf", "anyOf", "items", "oneOf", "prefixItems")
_MAPS: Final = ("dependencies", "dependentSchemas", "patternProperties", "properties")
_DEFINITIONS: Final = ("$defs", "definitions")
# What references mean that are resolved at run time, or against another base, is not worked out here.
_UNBOUNDED: Final = ("$dynamicRef", "$recursiveRef")


class TooComplex(ValueError):
    """Why a schema is not used."""


class Extent(NamedTuple):
    """`size` is the number of subschemas where each reference is written out, `returns` the number of references that
    lead back to where they stand: how many branches a recursive schema has at each level of what it is held against."""

    size: int
    returns: int


def extent(schema: Any) -> Extent:
    """Raises `TooComplex`."""
    walk = _Walk(schema)
    found = walk.extent(schema, 0)
    for holder in _DEFINITIONS:  # what nothing refers to is compiled as well
        for definition in _values(schema, holder):
            walk.extent(definition, 1)
    return found


class _Walk:
    def __init__(self, root: Any) -> None:
        self._root = root
        self._known: dict[int, Extent] = {}
        self._open: set[int] = set()
        self._patterns = 0

    def extent(self, schema: Any, depth: int) -> Extent:
        if not isinstance(schema, dict):
            return Extent(1, 0)
        here = id(schema)
        if here in self._open:
            return Extent(1, 1)
        if (known := self._known.get(here)) is not None:
            return known
        if depth > _DEEPEST:
            raise TooComplex(f"it is nested more than {_DEEPEST} deep")
        self._look_at(schema)
        self._open.add(here)
        size, returns = 1, 0
        for part in self._parts(schema):
            below = self.extent(part, depth + 1)
            size += below.size
            returns += below.returns
            if size > _MOST_SUBSCHEMAS:
                raise TooComplex(f"it has more than {_MOST_SUBSCHEMAS} subschemas, written out")
        self._open.remove(here)
        self._known[here] = Extent(size, returns)
        return self._known[here]

    def _look_at(self, schema: dict[str, Any]) -> None:
        if unbounded := next((keyword for keyword in _UNBOUNDED if keyword in schema), None):
            raise TooComplex(f"it uses {unbounded}")
        if schema is not self._root and isinstance(schema.get("$id"), str):
            raise TooComplex("it has a schema with an $id of its own inside")
        patterns = schema.get("patternProperties")
        self._patterns += ("pattern" in schema) + (len(patterns) if isinstance(patterns, dict) else 0)
        if self._patterns > _MOST_PATTERNS:
            raise TooComplex(f"it has more than {_MOST_PATTERNS} patterns")

    def _parts(self, schema: dict[str, Any]) -> Iterator[Any]:
        yield from (schema[keyword] for keyword in _ONE if isinstance(schema.get(keyword), dict | bool))
        for keyword in _LISTS:
            if isinstance(parts := schema.get(keyword), list):
                yield from parts
        for keyword in _MAPS:
            yield from _values(schema, keyword)
        if isinstance(reference := schema.get("$ref"), str):
            yield self._at(reference)

    def _at(self, reference: str) -> Any:
        if reference == "#":
            return self._root
        if not reference.startswith("#/"):
            raise TooComplex(f"it refers to {reference[:200]!r}, and only what stands in it is looked at")
        found = self._root
        for part in unquote(reference[2:]).split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            try:
                found = found[int(name)] if isinstance(found, list) else found[name]
            except (KeyError, IndexError, TypeError, ValueError):
                raise TooComplex(f"it refers to {reference[:200]!r}, which is not there") from None
        return found


def _values(schema: Any, keyword: str) -> list[Any]:
    members = schema.get(keyword) if isinstance(schema, dict) else None
    return list(members.values()) if isinstance(members, dict) else []
