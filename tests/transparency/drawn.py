"""Messages of any shape that a published schema allows, with members that no revision names wherever it leaves room.

Numbers are `tests.exact.Number`, so that their digits can be compared.
"""

import base64
import json
from typing import Any, Final

from hypothesis import strategies as st

from tests.exact import Number
from tests.transparency.schema import Node, Schema, alternatives_of, spoken_for, words_of

__all__ = ["drawn", "numbers", "texts"]

_DEPTH: Final = 7  # of objects and arrays; further down there is only what is required
_MOST: Final = 2  # items of an array, and unknown members of an object

Drawn = st.SearchStrategy[Any]

texts: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_unnamed: Final = texts.filter(lambda name: name not in spoken_for())
_integers: Final = st.from_regex(r"-?(0|[1-9][0-9]{0,25})", fullmatch=True).map(Number)
_naturals: Final = st.from_regex(r"(0|[1-9][0-9]{0,25})", fullmatch=True).map(Number)
numbers: Final = st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True).map(
    Number
)
_path: Final = st.text("abz09-._~/%?#=&é\u2028", max_size=8)
_uris: Final = st.builds("{}:{}".format, st.sampled_from(["x", "file", "https", "a+b"]), _path)
_FORMATS: Final[dict[str, Drawn]] = {
    "uri": _uris,
    "uri-template": st.builds("{}{{{}}}".format, _uris, st.sampled_from(["x", "+path", "?q*"])),
    "byte": st.binary(max_size=6).map(lambda data: base64.b64encode(data).decode()),
}
_anything: Final[Drawn] = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=_MOST) | st.dictionaries(_unnamed, inner, max_size=_MOST),
    max_leaves=4,
)
_known: Final[dict[tuple[str, str, int], Drawn]] = {}


def drawn(schema: Schema, node: Node, left: int = _DEPTH) -> Drawn:
    """Values of this part of the schema."""
    key = schema.revision, json.dumps(node), left
    if key not in _known:
        _known[key] = _drawn(schema, schema.resolved(node), left)
    return _known[key]


def _drawn(schema: Schema, node: Node, left: int) -> Drawn:
    if words := words_of(node):
        return st.sampled_from(words)
    if alternatives := alternatives_of(node):
        return st.one_of([drawn(schema, each, left) for each in alternatives])
    match node.get("type"):
        case "object":
            return _object(schema, node, left - 1)
        case "array":
            return _array(schema, node, left - 1)
        case "string":
            short = texts.filter(lambda text: len(text) >= node.get("minLength", 0))
            return _FORMATS[node["format"]] if "format" in node else short
        case "integer":
            return _naturals if "minimum" in node else _integers
        case "number":
            return _between(node) if "minimum" in node else numbers
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case None:
            return _anything if left > 0 else texts
        case other:
            raise NotImplementedError(f"nobody knows how to draw {other!r}")


def _array(schema: Schema, node: Node, left: int) -> Drawn:
    least = node.get("minItems", 0)
    if left < 0 and not least:
        return st.just([])
    most = max(least, min(_MOST, node.get("maxItems", _MOST)))
    return st.lists(drawn(schema, node.get("items", {}), left), min_size=least, max_size=most)


def _between(node: Node) -> Drawn:
    assert (node["minimum"], node.get("maximum")) == (0, 1), node
    return st.from_regex(r"0(\.[0-9]{1,25})?|1(\.0{1,9})?|[1-9]e-[0-9]{1,3}", fullmatch=True).map(Number)


def _object(schema: Schema, node: Node, left: int) -> Drawn:
    properties: dict[str, Node] = node.get("properties", {})
    required = set(node.get("required", ()))
    known = {name: drawn(schema, each, left) for name, each in properties.items() if name in required or left > 0}
    members = st.fixed_dictionaries(
        {name: each for name, each in known.items() if name in required},
        optional={name: each for name, each in known.items() if name not in required},
    )
    room = node.get("additionalProperties", True)
    if room is False or left <= 0:
        return members
    values = _anything if room is True else drawn(schema, room, left)
    return st.builds(lambda more, named: {**more, **named}, st.dictionaries(_unnamed, values, max_size=_MOST), members)
