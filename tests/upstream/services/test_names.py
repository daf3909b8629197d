import re

from hypothesis import given
from hypothesis import strategies as st

from toolgate.upstream.services.names import is_picked, legal, unique

LEGAL = re.compile(r"[A-Za-z0-9_-]{1,64}")


@given(st.text(max_size=200))
def test_every_name_is_one_that_models_are_given(text: str) -> None:
    assert LEGAL.fullmatch(legal(text, "get"))
    assert legal(text, "get") == legal(text, "get")


@given(st.lists(st.text(max_size=100), max_size=20))
def test_names_that_would_meet_stay_apart(origins: list[str]) -> None:
    taken: dict[str, str] = {}
    for origin in dict.fromkeys(origins):
        name = unique(legal(origin, "get"), origin, taken)
        assert name not in taken
        assert LEGAL.fullmatch(name)
        taken[name] = origin


def test_readable_names_stay_readable() -> None:
    assert legal("get/pets/{petId}/photos", "get") == "get_pets_petId_photos"
    assert legal("Users.List v2", "get") == "Users_List_v2"
    assert legal("→", "get") == "get"


def test_operations_are_picked_by_name_or_by_method_and_path() -> None:
    names = {"listPets", "GET /pets"}
    assert is_picked(names, (), ())
    assert is_picked(names, ("GET *",), ())
    assert is_picked(names, ("list*",), ("delete*",))
    assert not is_picked(names, ("add*",), ())
    assert not is_picked(names, (), ("GET /pets*",))
