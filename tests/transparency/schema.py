"""The published JSON Schema of a revision, as a catalogue of what its messages may hold."""

import json
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

from tests.exact import Number
from tests.peers import LEGACY, MODERN

__all__ = ["Node", "Schema", "alternatives_of", "published", "spoken_for", "words_of"]

_FOLDER: Final = Path(__file__).with_name("schemas")

Node = dict[str, Any]
"""A schema, or a part of one."""


class Schema:
    """`definitions` are the entries of `$defs`, by name."""

    def __init__(self, revision: str) -> None:
        self.revision = revision
        self.whole: Node = json.loads((_FOLDER / f"{revision}.json").read_text())
        self.definitions: dict[str, Node] = self.whole["$defs"]

    def __repr__(self) -> str:
        return f"Schema({self.revision!r})"

    def resolved(self, node: Node) -> Node:
        """Without a `$ref` and without an `allOf` at its head."""
        while "$ref" in node:
            node = self.definitions[node["$ref"].rpartition("/")[2]]
        if "allOf" not in node:
            return node
        merged = {name: value for name, value in node.items() if name != "allOf"}
        for part in map(self.resolved, node["allOf"]):
            properties = {**merged.get("properties", {}), **part.get("properties", {})}
            required = [*merged.get("required", []), *part.get("required", [])]
            merged |= {**part, "properties": properties, "required": sorted(set(required))}
        return merged

    def members(self, union: str) -> dict[str, Node]:
        """The alternatives of a union by their names. A revision may lack the union, or have made it one thing."""
        node = self.definitions.get(union)
        if node is None:
            return {}
        if "anyOf" not in node:
            return {union: node}
        return {each["$ref"].rpartition("/")[2]: self.resolved(each) for each in node["anyOf"]}

    def methods(self, union: str) -> dict[str, Node]:
        """The params of the requests or notifications of a union, by method."""
        found = self.members(union).values()
        return {
            each["properties"]["method"]["const"]: each["properties"].get("params", {"type": "object"})
            for each in found
        }

    def errors(self) -> dict[str, Node]:
        """The `error` members that have a definition and a code of their own, by the name of the definition."""
        codes = {name: self._error(node) for name, node in self.definitions.items()}
        return {name: node for name, node in codes.items() if node and "const" in node["properties"].get("code", {})}

    def _error(self, node: Node) -> Node:
        """2026-07-28 defines some errors as the member and some as the whole response."""
        resolved = self.resolved(node)
        properties = resolved.get("properties", {})
        return self.resolved(properties["error"]) if "error" in properties else resolved if "code" in properties else {}

    @cached_property
    def names(self) -> frozenset[str]:
        """Of all members of all objects."""
        found: set[str] = set()
        left: list[Any] = [self.definitions]
        while left:
            match left.pop():
                case dict() as node:
                    found.update(node["properties"] if isinstance(node.get("properties"), dict) else ())
                    left.extend(node.values())
                case list() as nodes:
                    left.extend(nodes)
        return frozenset(found)


def words_of(node: Node) -> list[Any]:
    """All that a constant or an enumeration allows; empty for anything else."""
    words = [node["const"]] if "const" in node else node.get("enum", [])
    numbers = (int, float)
    return [Number(json.dumps(word)) if type(word) in numbers else word for word in words]


def alternatives_of(node: Node) -> list[Node]:
    """Of a choice between parts or between types; empty for anything else."""
    if isinstance(node.get("type"), list):
        return [{**node, "type": each} for each in node["type"]]
    found: list[Node] = node.get("anyOf", []) or node.get("oneOf", [])
    return found


@cache
def published(revision: str) -> Schema:
    return Schema(revision)


@cache
def spoken_for() -> frozenset[str]:
    """The names of members that one of the revisions knows, so that they are not unknown in the other one."""
    return published(LEGACY).names | published(MODERN).names
