"""The table of the specification (OpenAPI 3.1.1, 4.8.12.6 Style Examples), and what it leaves open."""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolgate.upstream.openapi.styles import BadValue, Style, checked_path, header, path, query

LIST = ["blue", "black", "brown"]
SIMPLE = Style("simple", explode=False)
OBJECT = {"R": 100, "G": 200, "B": 150}


@pytest.mark.parametrize(
    ("style", "explode", "empty", "text", "several", "members"),
    [
        ("matrix", False, ";color", ";color=blue", ";color=blue,black,brown", ";color=R,100,G,200,B,150"),
        ("matrix", True, ";color", ";color=blue", ";color=blue;color=black;color=brown", ";R=100;G=200;B=150"),
        ("label", False, ".", ".blue", ".blue,black,brown", ".R,100,G,200,B,150"),
        ("label", True, ".", ".blue", ".blue.black.brown", ".R=100.G=200.B=150"),
        ("simple", False, "", "blue", "blue,black,brown", "R,100,G,200,B,150"),
        ("simple", True, "", "blue", "blue,black,brown", "R=100,G=200,B=150"),
    ],
)
def test_paths_are_written_as_the_specification_has_it(
    style: str, explode: bool, empty: str, text: str, several: str, members: str
) -> None:
    written = [path("color", value, Style(style, explode)) for value in ("", "blue", LIST, OBJECT)]
    assert written == [empty, text, several, members]


@pytest.mark.parametrize(
    ("style", "explode", "value", "written"),
    [
        ("form", False, "", "color="),
        ("form", False, "blue", "color=blue"),
        ("form", False, LIST, "color=blue,black,brown"),
        ("form", False, OBJECT, "color=R,100,G,200,B,150"),
        ("form", True, "", "color="),
        ("form", True, "blue", "color=blue"),
        ("form", True, LIST, "color=blue&color=black&color=brown"),
        ("form", True, OBJECT, "R=100&G=200&B=150"),
        ("spaceDelimited", False, LIST, "color=blue%20black%20brown"),
        ("spaceDelimited", False, OBJECT, "color=R%20100%20G%20200%20B%20150"),
        ("pipeDelimited", False, LIST, "color=blue%7Cblack%7Cbrown"),
        ("pipeDelimited", False, OBJECT, "color=R%7C100%7CG%7C200%7CB%7C150"),
        ("deepObject", True, OBJECT, "color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150"),
        ("deepObject", True, {"a": {"b": [1, 2]}}, "color%5Ba%5D%5Bb%5D=1&color%5Ba%5D%5Bb%5D=2"),
        ("form", True, [], ""),
        ("form", True, [True, None, 1.5], "color=true&color=&color=1.5"),
        ("form", True, {"a": [1, 2], "b": {"c": 3}}, "a=1&a=2&b=%7B%22c%22%3A3%7D"),
    ],
)
def test_queries_are_written_as_the_specification_has_it(style: str, explode: bool, value: Any, written: str) -> None:
    assert "&".join(query("color", value, Style(style, explode))) == written


@pytest.mark.parametrize(
    ("explode", "value", "written"),
    [
        (False, "a b", "a b"),
        (False, LIST, "blue,black,brown"),
        (False, OBJECT, "R,100,G,200,B,150"),
        (True, OBJECT, "R=100,G=200,B=150"),
    ],
)
def test_headers_are_written_as_the_specification_has_it(explode: bool, value: Any, written: str) -> None:
    assert header(value, Style("simple", explode)) == written


def test_reserved_characters_stay_where_that_is_asked_for_but_for_those_that_would_end_the_value() -> None:
    written = list(query("u", "http://x/a?b=1&c#d+e", Style("form", explode=True, reserved=True)))
    assert written == ["u=http://x/a?b%3D1%26c%23d%2Be"]


TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
SCALAR = st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXT)
VALUE = st.one_of(SCALAR, st.lists(SCALAR, max_size=4), st.dictionaries(TEXT, SCALAR, max_size=4))
STYLES = st.sampled_from(["form", "spaceDelimited", "pipeDelimited", "deepObject"])


@given(TEXT.filter(bool), TEXT)
def test_a_text_comes_back_from_a_query_as_it_was(name: str, value: str) -> None:
    [pair] = query(name, value, Style("form", explode=True))
    assert [unquote(part) for part in pair.split("=")] == [name, value]


@given(
    st.lists(TEXT, min_size=1), st.sampled_from([("form", ","), ("spaceDelimited", "%20"), ("pipeDelimited", "%7C")])
)
def test_a_list_comes_back_unless_its_items_hold_what_stands_between_them(
    values: list[str], style: tuple[str, str]
) -> None:
    name, sign = style
    kept = [value.replace(" ", "").replace("|", "") for value in values]
    [pair] = query("q", kept, Style(name, explode=False))
    assert [unquote(piece) for piece in pair.partition("=")[2].split(sign)] == kept


@given(VALUE, STYLES, st.booleans())
def test_no_value_ends_its_parameter_in_a_query(value: Any, style: str, explode: bool) -> None:
    for pair in query("q", value, Style(style, explode)):
        assert pair.count("=") == 1
        assert not set(pair) & set(' #&?\r\n"<>\\')
        assert pair.isascii()


@given(VALUE, st.sampled_from(["simple", "label", "matrix"]), st.booleans())
def test_no_value_leaves_its_step_of_a_path(value: Any, style: str, explode: bool) -> None:
    written = path("q", value, Style(style, explode))
    assert not set(written) & set("/?# \r\n\\")
    assert written.isascii()


@given(VALUE, st.booleans())
def test_no_value_ends_its_header(value: Any, explode: bool) -> None:
    try:
        written = header(value, Style("simple", explode))
    except BadValue:
        return
    assert not set(written) & set("\r\n\0")


@given(st.text(st.sampled_from("./\\%2eEfFcC5a"), max_size=12))
def test_no_value_climbs_out_of_its_path_however_often_it_is_decoded(value: str) -> None:
    whole = f"/v1/users/{path('id', value, Style('simple', explode=False))}/mail"
    try:
        checked_path(whole)
    except BadValue:
        return
    decoded = whole
    for _ in range(4):
        assert not {".", ".."} & set(decoded.replace("\\", "/").split("/"))
        decoded = unquote(decoded)


@pytest.mark.parametrize("value", ["..", ".", "../admin", "a/../../b", "..\\x", "%2e%2e", "%252e%252e%252fadmin"])
def test_a_value_that_would_climb_is_refused(value: str) -> None:
    with pytest.raises(BadValue, match="another path"):
        checked_path(f"/v1/{path('id', value, Style('simple', explode=False))}")


@pytest.mark.parametrize("value", ["a.b", "...", "feature/x", ".hidden", "a..b"])
def test_a_value_that_only_looks_like_it_is_not(value: str) -> None:
    assert checked_path(f"/v1/{path('id', value, Style('simple', explode=False))}")


@pytest.mark.parametrize(
    "write",
    [
        lambda value: header(value, Style("simple", explode=False)),
        lambda value: path("p", value, Style("simple", False)),
    ],
)
def test_half_a_character_is_refused(write: Callable[[str], str]) -> None:
    with pytest.raises(BadValue):
        write("a\ud800")


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\0"])
def test_a_header_that_would_become_two_is_refused(value: str) -> None:
    with pytest.raises(BadValue, match="no HTTP header can have"):
        header(value, Style("simple", explode=False))
