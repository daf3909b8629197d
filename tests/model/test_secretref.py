"""References name secrets and never hold them; what holds one never prints it."""

import copy
import json
import pickle
import traceback
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolgate.model.secretref import MASK, Reference, Secret, Template

VALUE = "s3cr3t-of-somebody"


@given(st.text(min_size=4))
def test_a_secret_never_prints_itself(text: str) -> None:
    secret = Secret(text)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret!r:>40}", "%s" % secret, f"{secret:>10}", repr([secret])]  # noqa: UP031
    assert all(set(line) <= set("*[] ") for line in shown)


def test_a_secret_does_not_leave_through_pickle_json_or_a_traceback() -> None:
    secret = Secret(VALUE)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)
    with pytest.raises(TypeError, match="not pickled"):
        copy.deepcopy(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)
    assert not hasattr(secret, "__dict__")
    assert VALUE not in "".join(traceback.format_exception(ValueError(secret)))


def test_a_secret_inside_another_object_stays_masked() -> None:
    @dataclass
    class Holder:
        token: Secret

    assert VALUE not in repr(Holder(Secret(VALUE)))


def test_secrets_compare_by_value_and_know_whether_they_are_empty() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
    assert not Secret("")
    assert Secret(VALUE).reveal() == VALUE


@pytest.mark.parametrize(
    ("text", "references"),
    [
        ("plain", ()),
        ("${A}", (Reference("A"),)),
        ("Bearer ${A}-${B}", (Reference("A"), Reference("B"))),
        ("${A:-fall back}", (Reference("A", default="fall back"),)),
        ("${A:-}", (Reference("A", default=""),)),
        ("${input:api-key}", (Reference("api-key", store="input"),)),
        ("${esc:github/token#value}", (Reference("github/token", store="esc", key="value"),)),
        ("$A $(B) ${} ${ A } ${1}", ()),
    ],
)
def test_references_are_found_as_written(text: str, references: tuple[Reference, ...]) -> None:
    assert Template(text).references == references


def test_defaults_are_never_shown() -> None:
    template = Template("${TOKEN:-hunter2-the-default}")
    for shown in (repr(template), template.display(), repr(template.references), str(template.references[0])):
        assert "hunter2" not in shown


@given(st.text(st.characters(exclude_characters="${}*' \"\\"), min_size=5))
def test_literal_parts_of_a_template_are_masked(literal: str) -> None:
    if literal.strip():
        template = Template(f"{literal}${{NAME}}{literal}")
        assert template.display() == f"{MASK}${{NAME}}{MASK}"
        assert repr(template) == f"Template('{MASK}${{NAME}}{MASK}')"


def test_resolving_looks_only_once() -> None:
    assert Template("a ${A} b").resolve(lambda _: "${A}").reveal() == "a ${A} b"
