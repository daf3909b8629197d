"""JSON with comments reads as the same JSON without them, and what is broken says on which line."""

import json
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolgate.sources.jsonc import JsoncError, parse

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
fillers = st.sampled_from(
    [
        "",
        " ",
        "\n",
        "\r\n",
        "\t",
        "// note\n",
        "//\r\n",
        "/* a */",
        "/*\n*/",
        "/***/",
        "/* } ] , \" ' // */",
        '// " [ {\n',
    ]
)


@st.composite
def decorated(draw: st.DrawFn) -> tuple[Any, str]:
    """A value, and its JSON with comments, white space and trailing commas wherever they may stand."""

    def write(value: Any) -> str:
        gap = draw(fillers)
        if isinstance(value, dict):
            members = [f"{draw(fillers)}{json.dumps(key)}{gap}:{write(member)}" for key, member in value.items()]
            return f"{{{_joined(members)}{draw(fillers)}}}"
        if isinstance(value, list):
            return f"[{_joined([write(item) for item in value])}{draw(fillers)}]{gap}"
        return f"{gap}{json.dumps(value, ensure_ascii=draw(st.booleans()))}{gap}"

    def _joined(parts: list[str]) -> str:
        trailing = bool(parts) and draw(st.booleans())
        return ",".join(parts) + (draw(fillers) + "," if trailing else "")

    value = draw(values)
    return value, draw(st.sampled_from(["", "\ufeff"])) + write(value) + draw(fillers)


@given(decorated())
def test_comments_and_trailing_commas_change_nothing(pair: tuple[Any, str]) -> None:
    value, text = pair
    assert parse(text).value == json.loads(json.dumps(value))


@given(values)
def test_plain_json_reads_as_the_standard_reads_it(value: Any) -> None:
    assert parse(json.dumps(value, indent=2)).value == value


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(JsoncError):
        parse(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": "// no comment", "b": "/* nor */ this, ]"}', {"a": "// no comment", "b": "/* nor */ this, ]"}),
        ('{"url": "https://example.com"} // end', {"url": "https://example.com"}),
        ('["a\\\\", "b\\"//",]', ["a\\", 'b"//']),
        ("[1, /* x */ ]", [1]),
    ],
)
def test_what_stands_in_strings_is_left_alone(text: str, value: Any) -> None:
    assert parse(text).value == value


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ('{\n"a": 1\n"b": 2}', 3),
        ("[1,,]", 1),
        ("{,}", 1),
        ('// one\n/* two\nthree */\n{"a": }', 4),
        ("{}\n\n/* open", 3),
        ("/*/", 1),
        ('{"a": "open', 1),
        ("{}\n{}", 2),
        ("[NaN]", 0),
        ("[" * 100_000, 0),
        ("[" + "9" * 5000 + "]", 0),
    ],
)
def test_what_is_broken_says_where(text: str, line: int) -> None:
    with pytest.raises(JsoncError) as caught:
        parse(text)
    assert caught.value.line == line


def test_repeated_keys_are_told_for_the_object_they_stand_in() -> None:
    read = parse('{"a": {"x": 1, "y": 2, "x": 3}, "b": {"x": 1}, /* */}')
    assert read.value["a"] == {"x": 3, "y": 2}
    assert read.repeated(read.value["a"]) == ("x",)
    assert read.repeated(read.value["b"]) == ()


def test_lines_are_those_of_the_file() -> None:
    text = '{ // one\r\n  "a": [\r\n    1,\r\n    {"k\\u0065y": 2}, /*\r\n */ ],\r\n  "b":\r\n    "x",\r\n}'
    wanted = [(), ("a",), ("a", 0), ("a", 1, "key"), ("b",), ("c",)]
    assert parse(text).lines(wanted) == {(): 1, ("a",): 2, ("a", 0): 3, ("a", 1, "key"): 4, ("b",): 6}


@pytest.mark.parametrize("piece", ["/* ", '"', "//", '"\\', "[", ",", "{", "/", '{"a":'])
def test_hostile_text_takes_time_in_proportion_to_its_length(piece: str) -> None:
    started = time.process_time()
    with pytest.raises(JsoncError):
        parse(piece * (2**20 // len(piece)))
    assert time.process_time() - started < 5
