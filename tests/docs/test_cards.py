"""The page about cards says what cards are, and which are shipped."""

import re

import pytest
from pydantic import BaseModel

from tests.docs.test_reference import REFERENCE, section
from toolgate.model.card import Card, Input, Package, Tried
from toolgate.sources.cards import shipped

PAGE = REFERENCE / "cards.md"


@pytest.mark.parametrize(
    ("heading", "model"),
    [("The card", Card), ("`inputs`", Input), ("`packages`", Package), ("`tried`", Tried)],
)
def test_every_field_is_documented_and_no_other(heading: str, model: type[BaseModel]) -> None:
    fields = re.findall(r"^\| `([\w-]+)` \|", section(PAGE, heading), re.MULTILINE)
    assert fields == [field.alias or name for name, field in model.model_fields.items()]


def test_every_card_is_listed_with_how_far_it_was_tried() -> None:
    rows = re.findall(
        r"^\| `([\w-]+)` \| .* \| (\w+) \| (.*) \|$", section(PAGE, "The cards that are shipped"), re.MULTILINE
    )
    assert rows == [
        (card.name, card.sign_in, f"{card.tried.how} {card.tried.version}".strip() if card.tried else "")
        for card in shipped()
    ]
