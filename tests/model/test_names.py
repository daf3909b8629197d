"""Names that leave the gateway are valid wherever they go, and never stand for two things."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolgate.model.names import MAX_EXPOSED, MAX_SERVER, exposed_name, is_server_name, server_name

servers = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,30}[A-Za-z0-9-])?", fullmatch=True).filter(is_server_name)
names = st.one_of(st.text(max_size=120), st.from_regex(r"[A-Za-z0-9_.-]{1,70}", fullmatch=True))


@given(servers, names, st.booleans())
def test_an_exposed_name_is_one_that_every_model_provider_accepts(server: str, name: str, distinct: bool) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", exposed_name(server, name, distinct=distinct))


@given(servers, names, servers, names)
def test_two_things_never_share_an_exposed_name(server: str, name: str, other: str, another: str) -> None:
    if (server, name) != (other, another):
        assert exposed_name(server, name) != exposed_name(other, another)


@given(servers, st.text(min_size=50, max_size=60), st.text(min_size=1, max_size=9), st.text(min_size=1, max_size=9))
def test_long_names_that_differ_only_at_their_end_stay_apart(server: str, start: str, end: str, other: str) -> None:
    if end != other:
        assert exposed_name(server, start + end) != exposed_name(server, start + other)


@given(servers, names)
def test_a_distinct_name_differs_from_the_plain_one(server: str, name: str) -> None:
    plain = exposed_name(server, name)
    if plain == f"{server}__{name}":
        assert exposed_name(server, name, distinct=True) != plain


def test_a_name_that_fits_is_left_as_it_is() -> None:
    assert exposed_name("github", "search_issues") == "github__search_issues"
    assert exposed_name("s", "x" * (MAX_EXPOSED - 3)) == "s__" + "x" * (MAX_EXPOSED - 3)


@given(st.text(max_size=100))
def test_every_label_has_a_valid_server_name(label: str) -> None:
    name = server_name(label)
    assert is_server_name(name)
    assert len(name) <= MAX_SERVER


@given(st.text(max_size=100))
def test_the_name_of_a_name_is_itself(label: str) -> None:
    assert server_name(server_name(label)) == server_name(label)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("github", "github"),
        ("My Server (beta)", "My-Server-beta"),
        ("@scope/package", "scope-package"),
        ("a__b", "a_b"),
        ("trailing_", "trailing"),
    ],
)
def test_a_label_keeps_what_can_be_kept(label: str, name: str) -> None:
    assert server_name(label) == name


def test_labels_with_nothing_to_keep_still_differ() -> None:
    assert server_name("天気") != server_name("時間")


@pytest.mark.parametrize("name", ["", "_x", "x_", "a__b", "a b", "x" * 33, "-x", "é", "x\n"])
def test_what_is_no_server_name_is_told(name: str) -> None:
    assert not is_server_name(name)
