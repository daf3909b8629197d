from pathlib import Path
from typing import Any

import pytest

from toolgate.cli.arguments import ArgumentRefusedError, nearest, parse

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "count": {"type": "integer"},
        "ratio": {"type": "number"},
        "deep": {"type": "boolean"},
        "tags": {"type": "array"},
        "where": {"type": "object"},
        "either": {"type": ["integer", "null"]},
        "optional": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "free": {},
    },
}


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("text=hello", "hello"),
        ("text=3", "3"),
        ("text=a=b", "a=b"),
        ("text=", ""),
        ("text:=null", None),
        ("count=3", 3),
        ("count=-3", -3),
        ("ratio=0.5", 0.5),
        ("ratio=2", 2),
        ("deep=true", True),
        ("deep=No", False),
        ("tags=[1, 2]", [1, 2]),
        ('where={"a": 1}', {"a": 1}),
        ("either=null", None),
        ("optional=7", 7),
        ("free=3", "3"),
        ("free:=[3]", [3]),
    ],
)
def test_a_value_becomes_what_the_schema_says(pair: str, value: Any) -> None:
    key = pair.split("=", maxsplit=1)[0].rstrip(":")
    parsed = parse([pair], SCHEMA)
    assert parsed == {key: value}
    assert type(parsed[key]) is type(value)


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        ("count=three", "count must be integer, not 'three'"),
        ("count=1.5", "count must be integer"),
        ("count=true", "count must be integer"),
        ("deep=maybe", "deep must be boolean"),
        ("tags={}", "tags must be array"),
        ("text", "text is not key=value"),
        ("=x", "=x is not key=value"),
        ("count:=three", "count is not JSON"),
        ("txet=hello", "no argument txet; did you mean text?"),
        ("text=@/nowhere/at/all", "cannot be read: No such file"),
    ],
)
def test_what_the_tool_would_not_take_is_told(pair: str, says: str) -> None:
    with pytest.raises(ArgumentRefusedError) as raised:
        parse([pair], SCHEMA)
    assert says in raised.value.message
    assert raised.value.hint


def test_a_missing_argument_is_told_with_all_that_the_tool_takes() -> None:
    schema = {**SCHEMA, "properties": {"text": {"type": "string"}, "count": {"type": "integer"}}, "required": ["text"]}
    with pytest.raises(ArgumentRefusedError, match="missing: text") as raised:
        parse(["count=1"], schema)
    assert raised.value.hint == "it takes text=<string>, count=<integer> (optional)"


def test_a_file_gives_the_value(tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("line\nline\n", encoding="utf-8")
    assert parse([f"text=@{file}"], SCHEMA) == {"text": "line\nline\n"}
    file.write_text("[1]", encoding="utf-8")
    assert parse([f"tags:=@{file}"], SCHEMA) == {"tags": [1]}


def test_pairs_lie_over_what_was_given() -> None:
    assert parse(["text=b"], SCHEMA, {"text": "a", "count": 1}) == {"text": "b", "count": 1}


def test_a_tool_that_takes_anything_takes_anything() -> None:
    assert parse(["x=1"], {"type": "object"}) == {"x": "1"}
    assert parse(["x=1"], {"type": "object", "properties": {"y": {}}, "additionalProperties": True}) == {"x": "1"}
    with pytest.raises(ArgumentRefusedError):
        parse(["x=1"], {"type": "object", "additionalProperties": False})


def test_the_nearest_name_is_offered_and_no_far_one() -> None:
    assert nearest("ehco", ["echo", "add"]) == "; did you mean echo?"
    assert nearest("something", ["echo", "add"]) == ""
