"""Nothing that a published schema names is left out without a reason, and what is made from the schemas is valid."""

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from tests.peers import LEGACY, MODERN
from tests.transparency.crossing import OTHERWISE, UNIONS, crossing, name_of
from tests.transparency.drawn import drawn
from tests.transparency.every import every
from tests.transparency.schema import Node, Schema, published, spoken_for
from tests.transparency.wording import written

CROSSING = [(revision, name) for revision in (LEGACY, MODERN) for name in crossing(revision)]


def said(revision: str) -> set[str]:
    schema = published(revision)
    members = {name_of(node, name) for union in UNIONS for name, node in schema.members(union).items()}
    return members | schema.errors().keys()


def valid(schema: Schema, node: Node, values: list[Any]) -> None:
    """Integers of any length are numbers to us, and to the validator those that it can hold."""
    validator = jsonschema_rs.validator_for({"$schema": schema.whole["$schema"], "$defs": schema.definitions, **node})
    for value in values:
        text = written(value)
        held = json.loads(text, parse_int=lambda digits: int(digits[:15]), parse_float=lambda digits: 0.5)
        validator.validate(held)


def names_in(value: Any) -> set[str]:
    match value:
        case dict():
            return set(value).union(*map(names_in, value.values()))
        case list():
            return set().union(*map(names_in, value))
        case _:
            return set()


def names_of(schema: Schema, node: Node, seen: frozenset[str] = frozenset()) -> set[str]:
    """Of all members of what this part of the schema allows."""
    key = json.dumps(node)
    if key in seen:
        return set()
    node, seen = schema.resolved(node), seen | {key}
    properties = node.get("properties", {})
    parts = [*node.get("anyOf", []), *node.get("oneOf", []), *properties.values(), node.get("items", {})]
    room = node.get("additionalProperties")
    parts += [room] if isinstance(room, dict) else []
    return set(properties).union(*(names_of(schema, part, seen) for part in parts))


@pytest.mark.parametrize("revision", [LEGACY, MODERN])
def test_all_that_can_be_said_crosses_or_has_a_reason_not_to(revision: str) -> None:
    assert said(revision) - crossing(revision).keys() - OTHERWISE.keys() == set()


def test_no_reason_is_given_for_what_nobody_says() -> None:
    assert OTHERWISE.keys() - said(LEGACY) - said(MODERN) == set()


@pytest.mark.parametrize(("revision", "name"), CROSSING)
def test_everything_is_valid_and_names_every_member(revision: str, name: str) -> None:
    schema, node = published(revision), crossing(revision)[name]
    values = every(schema, node)
    valid(schema, node, values)
    assert names_of(schema, node) <= names_in(values)


@pytest.mark.parametrize(("revision", "name"), CROSSING)
@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
def test_what_is_drawn_is_valid(revision: str, name: str, data: st.DataObject) -> None:
    schema, node = published(revision), crossing(revision)[name]
    valid(schema, node, [data.draw(drawn(schema, node))])


def test_members_that_no_revision_names_are_drawn_where_there_is_room() -> None:
    schema = published(MODERN)
    result = drawn(schema, schema.definitions["CallToolResult"])
    quick = settings(max_examples=200, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    assert find(result, lambda value: bool(names_in(value["content"]) - spoken_for()), settings=quick)
