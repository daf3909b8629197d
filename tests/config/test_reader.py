from typing import Any

import pytest

from toolgate.config.reader import Location, dotted, parse
from toolgate.errors import ConfigError


def data(text: str) -> Any:
    return parse(text, "f").data


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# only a comment\n", None),
        ("a: 1\nb: -2\nc: 0x1F\nd: 1.5\ne: .inf", {"a": 1, "b": -2, "c": 31, "d": 1.5, "e": float("inf")}),
        ("a: true\nb: no\nc: ~\nd:\ne: 'true'", {"a": True, "b": "no", "c": None, "d": None, "e": "true"}),
        ("a: 2024-01-01\nb: 010\n8080: x", {"a": "2024-01-01", "b": 10, "8080": "x"}),
        ("a: [1, {b: 2}]\nc: |\n  x\n  y\n", {"a": [1, {"b": 2}], "c": "x\ny\n"}),
        ("a: &x {k: 1}\nb: *x\nc: {<<: *x, l: 2}\nd: {<<: [{k: 3}, *x]}",
         {"a": {"k": 1}, "b": {"k": 1}, "c": {"l": 2, "k": 1}, "d": {"k": 3}}),
    ],
)  # fmt: skip
def test_yaml_reads_as_plain_data(text: str, value: Any) -> None:
    assert data(text) == value


def test_text_is_kept_as_written_where_asked_for() -> None:
    read = parse("env: {PIN: 0123, V: 1.10, ON: True, DAY: 2024-01-01, NOT: null}", "f", lambda at: at[:1] == ("env",))
    assert read.data == {"env": {"PIN": "0123", "V": "1.10", "ON": "True", "DAY": "2024-01-01", "NOT": None}}


def test_every_value_has_a_line() -> None:
    read = parse("a: 1\nb:\n  - x\n  - y: 2\n    z:\n      - 3\n", "f")
    places: list[Location] = [("a",), ("b",), ("b", 1, "y"), ("b", 1, "z", 0), ("b", 1, "nope"), ("nope",)]
    assert [read.line(place) for place in places] == [1, 2, 4, 6, 4, 1]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "`a` is written twice"),
        ("a:\n\tb: 1\n", 2, "a tab is used where YAML needs spaces"),
        ("a: b: c\n", 1, "mapping values are not allowed"),
        ("a: {b: 1\n\n", 3, "in what begins on line 1"),
        ("a: *nope\n", 1, "undefined alias"),
        ("a: 1\n---\nb: 2\n", 2, "more than one document"),
        ("a: !!python/object:os.system x\n", 1, "is not used here"),
        ("a: !secret x\n", 1, "is not used here"),
        ("[a]: 1\n", 1, "a key must be text"),
        ("a: !!int x\n", 1, "not a valid int"),
        ("a: &a [*a]\n", 1, "nested too deeply"),
        ("a: {<<: 1}\n", 1, "takes a mapping"),
        ("a: &a {<<: *a}\n", 1, "leads back to itself"),
        ("a: " + "[" * 60 + "]" * 60, 1, "nested too deeply"),
        ("a: " + "[" * 5000, 0, "nested too deeply"),
        ("a: \x01", 0, "unacceptable character"),
        ("a: " + "9" * 5000, 1, "not a valid int"),
    ],
)
def test_what_cannot_be_read_says_where_and_why(text: str, line: int, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "f.yaml")
    assert (caught.value.file, caught.value.line) == ("f.yaml", line)
    assert reason in caught.value.reason


@pytest.mark.parametrize("shape", ["[{}]", "{{x: 1, {}}}"])
def test_anchors_that_expand_to_billions_are_refused(shape: str) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 12):
        inner = ", ".join([f"*a{level - 1}"] * 9) if shape == "[{}]" else f"y: [*a{level - 1}, *a{level - 1}]"
        lines.append(f"a{level}: &a{level} {shape.format(inner)}")
    with pytest.raises(ConfigError, match="expand to too much"):
        data("\n".join([*lines, "z: [" + ", ".join(["*a11"] * 90) + "]"]))


def test_a_place_is_named_as_people_do() -> None:
    assert dotted(("servers", "my server", "args", 0)) == 'servers["my server"].args[0]'
    assert dotted(()) == ""
