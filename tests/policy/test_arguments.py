"""Arguments against schemas, friendly and hostile."""

import json
import logging
import socket
import time
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from toolgate.policy.arguments import ArgumentCheck, TooComplex, compile_check

DRAFT_07 = "http://json-schema.org/draft-07/schema#"


def raw(value: Any) -> Raw:
    return Raw(json.dumps(value).encode())


def check(schema: Any) -> ArgumentCheck:
    compiled = compile_check(raw(schema))
    assert compiled is not None
    return compiled


@pytest.mark.parametrize(
    ("schema", "arguments", "fits"),
    [
        ({"required": ["a"]}, None, False),
        ({"required": ["a"]}, "null", False),
        ({"properties": {"a": {"type": "string"}}}, '{"a":null}', True),
        ({"properties": {"a": {"type": "string"}}, "required": ["a"]}, '{"a":null}', False),
        ({"properties": {"a": {"type": "string"}, "b": {"type": "string"}}}, '{"a":null,"b":1}', False),
        ({"properties": {"a": {"items": {"type": "string"}}}}, '{"a":[null]}', False),
        ({"minProperties": 0, "maxProperties": 0}, None, True),
        ({"properties": {"a": {"type": "integer"}}}, '{"a":1.0}', True),
        ({"properties": {"a": {"type": "integer"}}}, '{"a":123456789012345678901234567890}', True),
        ({"properties": {"a": {"maximum": 9007199254740992}}}, '{"a":9007199254740993}', False),
        ({"properties": {"a": {"const": 9007199254740993}}}, '{"a":9007199254740993}', True),
        ({"properties": {"a": {"const": 9007199254740993}}}, '{"a":9007199254740992}', False),
        ({"properties": {"a": {"type": "number"}}}, '{"a":1e400}', True),
        ({"properties": {"a": {"maximum": 10}}}, '{"a":1e400}', False),
        ({"properties": {"a": {"type": "string"}}}, '{"a":1e400}', False),
        ({"properties": {"a": {"multipleOf": 0.01}}}, '{"a":19.99}', True),
        ({"properties": {"a": {"format": "email", "x-unknown": {"type": 3}}}}, '{"a":"no mail"}', True),
        ({"$schema": DRAFT_07, "properties": {"a": {"format": "email"}}}, '{"a":"no mail"}', True),
        ({"$schema": DRAFT_07, "properties": {"a": {"contentEncoding": "base64"}}}, '{"a":"%%"}', True),
        ({"$schema": DRAFT_07, "properties": {"a": {"contentMediaType": "application/json"}}}, '{"a":"{"}', True),
        ({"$schema": DRAFT_07, "properties": {"a": {"items": [{"type": "string"}]}}}, '{"a":[1]}', False),
        ({"$schema": DRAFT_07, "dependencies": {"a": ["b"]}}, '{"a":1}', False),
        ({"dependencies": {"a": ["b"]}, "minProperties": 1}, '{"a":1}', True),
        ({"properties": {"a": {"prefixItems": [{"type": "string"}]}}}, '{"a":[1]}', False),
        ({"$defs": {"t": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/t"}}}, '{"a":1}', False),
        ({"properties": {"a": {"pattern": "^[a-z]+$"}}}, '{"a":"A"}', False),
        ({"properties": {"$ref": {"type": "string"}, "$id": {"type": "string"}}}, '{"$ref":"http://x"}', True),
        ({"properties": {"t": {"type": "object", "propertyNames": {"maxLength": 1}}}}, '{"t":{"xx":{"t":1}}}', False),
        ({"type": "object", "additionalProperties": {"$ref": "#"}}, '{"t":{"x":{"t":1}}}', False),
    ],
)  # fmt: skip
def test_arguments_fit_or_do_not(schema: Any, arguments: str | None, fits: bool) -> None:
    assert check(schema).fits(Raw(arguments.encode()) if arguments is not None else None) is fits


simple = st.recursive(
    st.one_of(
        st.builds(
            lambda kind: {"type": kind}, st.sampled_from(["string", "integer", "number", "object", "array", "null"])
        ),
        st.builds(lambda least: {"minimum": least}, st.integers(-5, 5)),
        st.builds(lambda most: {"maxLength": most}, st.integers(0, 3)),
        st.builds(lambda value: {"const": value}, st.one_of(st.none(), st.integers(-3, 3), st.booleans())),
        st.just({}),
    ),
    lambda inner: st.one_of(
        st.builds(lambda a, b: {"properties": {"a": a, "b": b}}, inner, inner),
        st.builds(lambda a, b: {"anyOf": [a, b]}, inner, inner),
        st.builds(lambda a, b: {"oneOf": [a, b]}, inner, inner),
        st.builds(lambda a: {"not": a}, inner),
        st.builds(lambda a: {"items": a}, inner),
        st.builds(lambda a, b: {"$defs": {"d": a}, "allOf": [b], "required": ["a"]}, inner, inner),
    ),
    max_leaves=8,
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-10, 10), st.floats(-5, 5), st.text("ab", max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("ab"), inner, max_size=2)),
    max_leaves=8,
)  # fmt: skip


@given(simple, st.dictionaries(st.sampled_from(["a", "b"]), values, max_size=2))
def test_it_agrees_with_the_reference_implementation(schema: dict[str, Any], arguments: dict[str, Any]) -> None:
    compiled = compile_check(raw(schema))
    reference = jsonschema.Draft202012Validator(schema)
    given = {name: value for name, value in arguments.items() if value is not None}
    expected = reference.is_valid(arguments) or reference.is_valid(given)  # null stands for what is left out
    assert (compiled is None or compiled.fits(raw(arguments))) is expected
    if not expected:
        assert compiled is not None
        assert compiled.complaints(raw(arguments))


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"type": "object", "properties": {}, "required": [], "additionalProperties": True, "title": "t"},
        {"$schema": DRAFT_07, "type": "object", "description": "takes nothing", "additionalProperties": {}},
    ],
)
def test_a_schema_that_every_object_fits_needs_no_check(schema: Any) -> None:
    assert compile_check(raw(schema)) is None


@pytest.mark.parametrize("schema", [{"additionalProperties": False}, {"type": "object", "maxProperties": 1}])
def test_a_schema_that_refuses_something_needs_a_check(schema: Any) -> None:
    assert not check(schema).fits(raw({"a": 1, "b": 2}))


def test_complaints_say_where_what_and_what_is_expected_and_are_few() -> None:
    compiled = check(
        {
            "properties": {
                "tags": {"items": {"properties": {"name": {"enum": ["x", "y"]}}}},
                "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                "secret": {"type": "integer"},
            },
            "required": ["path"],
            "additionalProperties": False,
        }
    )
    told = compiled.complaints(raw({"tags": [{}, {"name": "z"}], "limit": "many"}))
    assert '`tags[1].name`: it is not one of "x" or "y"' in told
    assert any("`limit`" in one and '"integer"' in one and '"null"' in one for one in told)
    assert any('"path" is a required property' in one for one in told)
    many = compiled.complaints(raw({"tags": [{"name": n} for n in range(50)], "extra": 1}))
    assert len(many) == 4
    assert many[-1] == "and more"
    assert "hunter2" not in str(compiled.complaints(raw({"path": "x", "secret": "hunter2"})))


def nested(depth: int) -> str:
    return '{"c":' * depth + "1" + "}" * depth


BRANCHING = {
    "$defs": {
        "t": {
            "type": ["object", "null"],
            "anyOf": [
                {"properties": {"c": {"$ref": "#/$defs/t"}}, "required": ["z"]},
                {"properties": {"c": {"$ref": "#/$defs/t"}}},
            ],
        }
    },
    "$ref": "#/$defs/t",
}


@pytest.mark.parametrize(
    ("schema", "arguments"),
    [
        (BRANCHING, nested(200)),
        ({"properties": {"a": {"items": {"type": "string"}}}}, '{"a":[' + "1," * 300_000 + "1]}"),
        ({"properties": {"a": {"pattern": "^(a+)+$"}}}, '{"a":"' + "a" * 100_000 + 'b"}'),
        ({"properties": {"a": {"uniqueItems": True}}}, '{"a":[' + ",".join(map(str, range(100_000))) + ",1]}"),
        ({"allOf": [{"$ref": "#"}], "required": ["a"]}, "{}"),
    ],
)
def test_no_schema_and_no_arguments_take_long(schema: Any, arguments: str) -> None:
    compiled = check(schema)
    before = time.process_time()
    assert not compiled.fits(Raw(arguments.encode()))
    assert compiled.complaints(Raw(arguments.encode()))
    assert time.process_time() - before < 0.5


@pytest.mark.parametrize("arguments", ["[" * 5_000 + "]" * 5_000, '{"a":' + "9" * 5_000 + "}"])
def test_what_cannot_be_checked_is_let_pass(arguments: str) -> None:
    assert check(BRANCHING).fits(Raw(arguments.encode()))


def exponential(levels: int, keyword: str) -> dict[str, Any]:
    defs: dict[str, Any] = {
        f"a{n}": {keyword: [{"$ref": f"#/$defs/a{n + 1}"}, {"$ref": f"#/$defs/a{n + 1}"}]} for n in range(levels)
    }
    return {"$defs": defs | {f"a{levels}": {"type": "string"}}, "$ref": "#/$defs/a0"}


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"properties": {"a": schema}}
    return schema


def chain(levels: int) -> dict[str, Any]:
    defs = {f"a{n}": {"$ref": f"#/$defs/a{n + 1}"} for n in range(levels)}
    return {"$defs": defs | {f"a{levels}": {"type": "string"}}, "$ref": "#/$defs/a0"}


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (exponential(40, "anyOf"), "subschemas"),
        (exponential(40, "oneOf"), "subschemas"),
        (deep(150), "deep"),
        (deep(400), "."),
        (chain(1_000), "deep"),
        ({"properties": {"p": {"description": "x" * 200_000}}}, "larger"),
        ({"properties": {f"p{n}": {"pattern": "^a{1,500}$"} for n in range(100)}}, "patterns"),
        ({"properties": {"p": {"pattern": "((a{1,100}){1,100}){1,100}"}}}, "regex"),
        ({"properties": {"p": {"pattern": "(?=x)x"}}}, "regex"),
        ({"properties": {"p": {"pattern": "("}}}, "regex"),
        ({"type": "any"}, "valid"),
        ({"$dynamicRef": "#x"}, "dynamicRef"),
        ({"properties": {"p": {"$id": "http://x/y"}}}, r"\$id"),
        ({"$ref": "#/nowhere"}, "not there"),
        ([], "object"),
        ("text", "object"),
        ({"$schema": "http://127.0.0.1:1/dialect", "required": ["a"]}, "meta-schema"),
    ],
)
def test_a_schema_that_cannot_be_used_says_why_at_once(schema: Any, reason: str) -> None:
    before = time.process_time()
    with pytest.raises(TooComplex, match=reason):
        compile_check(raw(schema))
    assert time.process_time() - before < 0.5


@pytest.mark.parametrize("keyword", ["$ref", "$schema", "$dynamicRef"])
def test_nothing_is_ever_fetched(keyword: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/schema.json"
        for schema in ({keyword: url}, {"properties": {"a": {keyword: url}}}, {"$id": url, "$ref": "other.json"}):
            try:
                compiled = compile_check(raw(schema))
            except TooComplex:
                continue
            assert compiled is None or compiled.fits(raw({"a": 1}))
        with pytest.raises(BlockingIOError):
            listening.accept()
