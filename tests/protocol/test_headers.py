from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.inbound import (
    decode_header_value,
    encode_header_value,
    find_invalid_x_mcp_header,
    mcp_param_headers,
    x_mcp_header_map,
)

from toolgate.protocol.headers import annotated, decode_value, encode_value, invalid_annotation, param_headers

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SENTINELS = st.text("=?base64Zm9vYg==\n ", max_size=20).map(lambda text: f"=?base64?{text}?=")
TYPES = st.sampled_from(["string", "integer", "boolean", "number", "object", None, ["string"], "null"])
TOKENS = st.sampled_from(["Region", "region", "X", "a b", "", "a:b", 7, None])

LEAVES = st.fixed_dictionaries({}, optional={"type": TYPES, "x-mcp-header": TOKENS, "default": st.just({"x": 1})})


def _nest(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.sampled_from(["a", "b", "properties", "x-mcp-header"])
    maps = st.dictionaries(names, inner, max_size=3)
    return st.fixed_dictionaries({}, optional={
        "type": TYPES, "properties": maps, "items": inner, "anyOf": st.lists(inner, max_size=2), "$defs": maps,
        "additionalProperties": inner, "const": inner, "x-mcp-header": TOKENS,
    })  # fmt: skip


SCHEMAS = st.recursive(LEAVES, _nest, max_leaves=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.dictionaries(st.sampled_from(["a", "b", "properties"]), inner, max_size=3) | st.lists(inner),
    max_leaves=5,
)


@given(TEXT | SENTINELS)
def test_values_are_encoded_as_the_official_sdk_does_and_come_back(value: str) -> None:
    assert encode_value(value) == encode_header_value(value)
    assert decode_value(encode_value(value)) == value


@given(TEXT | SENTINELS)
def test_values_are_decoded_as_the_official_sdk_does(value: str) -> None:
    assert decode_value(value) == decode_header_value(value)


@given(SCHEMAS)
def test_annotations_are_judged_as_the_official_sdk_does(schema: Any) -> None:
    ours, theirs = invalid_annotation(schema), find_invalid_x_mcp_header(schema)
    assert (ours is None) == (theirs is None), (ours, theirs)
    if ours is None:
        assert annotated(schema) == x_mcp_header_map(schema)


@given(SCHEMAS, VALUES)
def test_arguments_are_mirrored_as_the_official_sdk_does(schema: Any, arguments: Any) -> None:
    if invalid_annotation(schema) is None and isinstance(arguments, dict):
        tokens = annotated(schema)
        assert param_headers(tokens, arguments) == mcp_param_headers(tokens, arguments)


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ("us-west1", "us-west1"),
        ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
        (" padded ", "=?base64?IHBhZGRlZCA=?="),
        ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
        ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
    ],
)
def test_the_examples_of_the_specification(value: str, encoded: str) -> None:
    assert encode_value(value) == encoded
    assert decode_value(encoded) == value


@pytest.mark.parametrize("value", ["=?base64?*?=", "=?base64?Zh==?=", "=?base64?/w==?=", "=?base64?Zg?="])
def test_what_no_encoder_writes_is_nothing(value: str) -> None:
    assert decode_value(value) is None


def test_a_nested_argument_is_found_by_its_path() -> None:
    schema = {"properties": {"at": {"properties": {"zone": {"type": "string", "x-mcp-header": "Zone"}}}}}
    assert param_headers(annotated(schema), {"at": {"zone": "eu"}}) == {"Mcp-Param-Zone": "eu"}
    assert param_headers(annotated(schema), {"at": "eu"}) == {}
