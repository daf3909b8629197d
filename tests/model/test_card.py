import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from toolgate.model.card import Card, InvalidInputs
from toolgate.model.secretref import Template


def card(inputs: list[dict[str, Any]], **server: Any) -> Card:
    return Card.model_validate(
        {"name": "x", "title": "X", "description": "x", "category": "own", "inputs": inputs, "server": server}
    )


def reasons(made: Card, **values: Any) -> dict[str, str]:
    return {problem.input: problem.reason for problem in made.problems(values)}


PATHS = card(
    [{"name": "dirs", "kind": "path", "several": True}, {"name": "log", "required": False}],
    command="npx",
    args=["-y", "server@1", ["--log", "{{log}}"], "{{dirs}}"],
    env={"LOG": "{{log}}", "FIXED": "1"},
    sandbox={"mounts": [{"path": "{{dirs}}", "writable": True}]},
)


def test_answers_stand_where_their_placeholders_stood() -> None:
    assert PATHS.filled({"dirs": ["/a b", "~/c"], "log": "x=1"}, home="/home/me") == {
        "command": "npx",
        "args": ["-y", "server@1", "--log", "x=1", "/a b", "/home/me/c"],
        "env": {"LOG": "x=1", "FIXED": "1"},
        "sandbox": {"mounts": [{"path": "/a b", "writable": True}, {"path": "/home/me/c", "writable": True}]},
    }


def test_what_has_no_answer_takes_its_option_and_its_variable_with_it() -> None:
    filled = PATHS.filled({"dirs": "/a", "log": ""})
    assert filled["args"] == ["-y", "server@1", "/a"]
    assert filled["env"] == {"FIXED": "1"}


def test_a_default_counts_where_nothing_is_given() -> None:
    made = card([{"name": "host", "default": "example.com"}], command="x", args=["{{host}}"])
    assert made.filled({})["args"] == ["example.com"]
    assert made.filled({"host": "other.example"})["args"] == ["other.example"]
    assert not made.missing({})


def test_an_input_that_is_a_list_does_not_begin_with_the_default_of_its_place() -> None:
    assert [entry.name for entry in PATHS.missing({})] == ["dirs"]


@given(st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=40))
def test_an_answer_is_one_argument_whatever_stands_in_it(first: str, second: str) -> None:
    made = card(
        [{"name": "a", "option": True}, {"name": "b", "option": True}], command="x", args=["{{a}}", "--b={{b}}"]
    )
    if not made.problems({"a": first, "b": second}):
        assert made.filled({"a": first, "b": second}) == {"command": "x", "args": [first, f"--b={second}"]}


@given(st.text(min_size=1, max_size=40))
def test_an_answer_inside_of_an_address_changes_nothing_else_of_it(answer: str) -> None:
    made = card([{"name": "id"}], url="https://api.example.com/v1/{{id}}/mcp?team={{id}}&x=1")
    if not made.problems({"id": answer}):
        parts = urlsplit(made.filled({"id": answer})["url"])
        assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "api.example.com", "")
        assert re.fullmatch(r"/v1/[^/?#]+/mcp", parts.path)
        assert len(parts.query.split("&")) == 2


@pytest.mark.parametrize("answer", ["{{b}}", "x{{b}}", "{{b.host}}"])
def test_an_answer_is_not_searched_for_placeholders(answer: str) -> None:
    made = card([{"name": "a"}, {"name": "b"}], command="x", args=["{{a}}", "{{b}}"])
    assert made.filled({"a": answer, "b": "secret"})["args"] == [answer, "secret"]


@pytest.mark.parametrize("answer", ["${HOME}", "a${vault:x}b", "${"])
def test_a_reference_goes_only_where_a_secret_is_asked_for(answer: str) -> None:
    made = card([{"name": "a"}], command="x", env={"A": "{{a}}"})
    assert "where a secret is asked for" in reasons(made, a=answer)["a"]


def test_two_answers_do_not_make_a_reference_together() -> None:
    made = card([{"name": "a"}, {"name": "b"}], command="x", args=["{{a}}{{b}}", "{{b}}"])
    assert reasons(made, a="x$", b="{HOME}") == {"a": "ends with $"}
    assert not made.problems({"a": "x", "b": "{HOME}$"})


SECRET = card(
    [{"name": "token", "kind": "secret"}], url="https://x.example", headers={"Authorization": "Bearer {{token}}"}
)


@pytest.mark.parametrize("answer", ["${TOKEN}", "${vault:a/b#3}", "${esc:x}"])
def test_a_secret_is_a_reference(answer: str) -> None:
    assert SECRET.filled({"token": answer})["headers"] == {"Authorization": f"Bearer {answer}"}


@pytest.mark.parametrize(
    "answer", ["hunter2", "x${TOKEN}", "${TOKEN}${OTHER}", "${TOKEN:-hunter2}", "${TOKEN", "{{token}}"]
)
def test_a_secret_that_is_none_is_refused_and_not_quoted(answer: str) -> None:
    with pytest.raises(InvalidInputs) as refused:
        SECRET.filled({"token": answer})
    assert "is a secret: give a reference" in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "server",
    [
        {"command": "x", "args": ["--key={{s}}"]},
        {"command": "{{s}}"},
        {"command": "x", "env": {"{{s}}": "1"}},
        {"command": "x", "sandbox": {"mounts": ["{{s}}"]}},
    ],
)
def test_a_card_cannot_show_a_secret(server: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="may stand in values of env and headers"):
        card([{"name": "s", "kind": "secret"}], **server)


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("url", "file:///etc/passwd"),
        ("url", "javascript:alert(1)"),
        ("url", "https://"),
        ("url", "https://user:password@example.com"),
        ("url", "https://exa mple.com"),
        ("url", "https://example.com:0"),
        ("url", "//example.com"),
        ("url", "https://[::1"),
        ("path", "relative/path"),
        ("path", "/a/../../etc/shadow"),
        ("path", "~root/x"),
        ("path", "../x"),
        ("text", "two\nlines"),
        ("text", "nul\0"),
        ("text", "\ud800"),
        ("text", "   "),
        ("text", "--version"),
        ("text", "x" * 9000),
    ],
)
def test_what_cannot_be_meant_is_refused(kind: str, answer: str) -> None:
    made = card([{"name": "a", "kind": kind}], command="x", args=["{{a}}"])
    assert list(reasons(made, a=answer)) == ["a"]
    with pytest.raises(InvalidInputs):
        made.filled({"a": answer})


@pytest.mark.parametrize("answer", [".", ".."])
def test_an_answer_does_not_climb_out_of_an_address(answer: str) -> None:
    made = card([{"name": "id"}], url="https://api.example.com/v1/{{id}}/mcp")
    assert "another place" in reasons(made, id=answer)["id"]


def test_a_path_of_windows_is_a_path() -> None:
    made = card([{"name": "a", "kind": "path"}], command="x", args=["{{a}}"])
    assert not made.problems({"a": r"C:\Users\me"})


def test_a_choice_is_one_of_its_choices() -> None:
    made = card([{"name": "a", "kind": "choice", "choices": ["one", "two"]}], command="x", args=["{{a}}"])
    assert reasons(made, a="three") == {"a": "should be one of one, two"}
    assert not made.problems({"a": "two"})


def test_a_pattern_is_fitted_by_the_whole_answer_in_linear_time() -> None:
    made = card([{"name": "a", "pattern": "(a+)+b"}], command="x", args=["{{a}}"])
    assert not made.problems({"a": "aab"})
    assert reasons(made, a="aab\u2028")
    assert reasons(made, a="a" * 8000) == {"a": "should fit (a+)+b"}


def test_only_what_is_asked_for_is_answered_and_once() -> None:
    made = card([{"name": "a"}], command="x", args=["{{a}}"])
    assert reasons(made, a="1", b="2") == {"b": "is not asked for; it asks for a"}
    assert reasons(made, a=["1", "2"]) == {"a": "takes one value"}
    assert reasons(made) == {"a": "is missing"}


def test_an_answer_that_is_repeated_is_bounded() -> None:
    made = card([{"name": "a", "several": True}], command="x", args=["{{a}}"])
    assert reasons(made, a=["x"] * 65) == {"a": "has more than 64 values"}


def test_a_parameter_without_an_answer_is_left_out_of_an_address() -> None:
    made = card([{"name": "a", "required": False}, {"name": "b"}], url="https://x.example/mcp?a={{a}}&b={{b}}")
    assert made.filled({"b": "c&d=e"})["url"] == "https://x.example/mcp?b=c%26d%3De"


def test_hosts_come_out_of_addresses() -> None:
    made = card(
        [{"name": "url", "kind": "url"}],
        command="x",
        env={"URL": "{{url}}"},
        sandbox={"network": ["{{url.host}}", "{{url.address}}"]},
    )
    assert made.filled({"url": "https://db.example.com:8443/x"})["sandbox"]["network"] == [
        "db.example.com",
        "db.example.com:8443",
    ]
    assert made.filled({"url": "https://db.example.com/x"})["sandbox"]["network"][1] == "db.example.com"


def test_an_address_is_lengthened_without_a_second_slash() -> None:
    made = card([{"name": "url", "kind": "url"}], url="{{url}}/mcp")
    assert made.filled({"url": "https://x.example/base/"})["url"] == "https://x.example/base/mcp"


def test_a_reference_inside_of_an_address_stays_one() -> None:
    made = card([{"name": "key", "kind": "secret"}], url="https://x.example/mcp?key={{key}}")
    assert made.filled({"key": "${vault:a}"})["url"] == "https://x.example/mcp?key=${vault:a}"


@pytest.mark.parametrize(
    ("inputs", "server", "reason"),
    [
        ([], {"command": "{{a}}"}, "no input is called so"),
        ([{"name": "a"}], {"command": "x"}, "stands nowhere"),
        ([{"name": "a"}, {"name": "a"}], {"command": "{{a}}"}, "two inputs have one name"),
        ([{"name": "a"}], {"command": "{{a}}", "args": ["{{ a }}"]}, "without a name of an input"),
        ([{"name": "a"}], {"command": "${{a}}"}, "behind a"),
        ([{"name": "a", "several": True}], {"command": "{{a}}"}, "stands where one fits"),
        ([{"name": "a", "several": True}, {"name": "b"}], {"args": [["{{a}}", "{{b}}"]]}, "stands where one fits"),
        ([{"name": "a", "kind": "choice"}], {"command": "{{a}}"}, "go with kind `choice`"),
        ([{"name": "a", "choices": ["x"]}], {"command": "{{a}}"}, "go with kind `choice`"),
        ([{"name": "a", "pattern": "("}], {"command": "{{a}}"}, "is not a regular expression"),
        ([{"name": "a", "pattern": "(?=x)"}], {"command": "{{a}}"}, "is not a regular expression"),
        ([{"name": "a", "kind": "secret", "default": "x"}], {"url": "{{a}}"}, "has no default"),
        ([{"name": "a", "kind": "path", "default": "x"}], {"command": "{{a}}"}, "`default` should be an absolute path"),
        ([{"name": "a", "example": "-x"}], {"command": "{{a}}"}, "`example` begins with -"),
    ],
)
def test_a_card_that_makes_no_sense_is_refused(
    inputs: list[dict[str, Any]], server: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValidationError, match=reason):
        card(inputs, **server)


@given(st.text(alphabet="${}aHOME:-", max_size=12), st.text(alphabet="${}aHOME:-", max_size=12))
def test_no_reference_comes_out_of_answers_that_are_no_secrets(first: str, second: str) -> None:
    made = card(
        [{"name": "a", "option": True}, {"name": "b", "option": True}],
        command="x",
        args=["{{a}}", "{{a}}{{b}}", "{{a}}{x}", "-{{b}}-{{a}}{{a}}"],
        env={"A": "{{a}}{{b}}{{a}}"},
    )
    if not made.problems({"a": first, "b": second}):
        filled = made.filled({"a": first, "b": second})
        assert not any(Template(text).references for text in [*filled["args"], filled["env"]["A"]])


def test_a_card_survives_json() -> None:
    assert Card.model_validate(PATHS.to_json()) == PATHS
