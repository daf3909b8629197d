from pathlib import Path

import pytest

from toolgate.config.model import Document
from toolgate.model.card import Card
from toolgate.sources.cards import Catalogue, InvalidCard, cards_folder, parse_card, shipped

OWN = """
name: {name}
title: {title}
description: One of ours.
category: own
server: {{command: x}}
"""


def test_cards_of_a_folder_stand_beside_the_shipped_ones_and_over_them(tmp_path: Path) -> None:
    (tmp_path / "ours.yaml").write_text(OWN.format(name="ours", title="Ours"))
    (tmp_path / "git.json").write_text(
        Card.model_validate(parse_card(OWN.format(name="git", title="Git")).to_json()).model_dump_json()
    )
    (tmp_path / "notes.txt").write_text("not a card")
    catalogue = Catalogue(tmp_path)
    assert len(catalogue.all()) == len(shipped()) + 1
    ours, git = catalogue.find("ours"), catalogue.find("git")
    assert ours is not None
    assert git is not None
    assert git.description == "One of ours."
    assert catalogue.problems == ()


def test_a_broken_card_is_a_problem_that_says_where_and_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: [\n")
    (tmp_path / "b.yaml").write_text(OWN.format(name="b", title="B") + "secret: hunter2\n")
    (tmp_path / "c.yaml").write_text("- a list\n")
    (tmp_path / "d.yaml").write_text("name: d\nname: d\n")
    (tmp_path / "e.yaml").write_bytes(b"name: \xff")
    (tmp_path / "f.yaml").mkdir()
    (tmp_path / "g.yaml").write_text("x" * 300_000)
    (tmp_path / "z.yaml").write_text(OWN.format(name="z", title="Z"))
    catalogue = Catalogue(tmp_path)
    assert catalogue.find("z") is not None
    problems = [str(problem).removeprefix(f"{tmp_path}/") for problem in catalogue.problems]
    assert [text.partition(":")[0] for text in problems] == [f"{name}.yaml" for name in "abcdefg"]
    assert "Extra inputs" in problems[1]
    assert "hunter2" not in str(problems)


def test_a_folder_that_is_not_there_has_no_cards(tmp_path: Path) -> None:
    assert len(Catalogue(tmp_path / "none").all()) == len(shipped())


def test_cards_from_elsewhere_count_most() -> None:
    assert Catalogue(more=[parse_card(OWN.format(name="git", title="Mine"))]).all()[0].name == "browser"
    found = Catalogue(more=[parse_card(OWN.format(name="git", title="Mine"))]).find("git")
    assert found is not None
    assert found.title == "Mine"


@pytest.mark.parametrize(
    "text", ["", "just text", "[1, 2]", "null", "a: &a [*a]", "? {a: 1}\n: b", "!!python/object:os.system x"]
)
def test_what_is_no_card_is_refused(text: str) -> None:
    with pytest.raises(InvalidCard):
        parse_card(text)


def test_the_folder_is_that_of_the_document_or_the_states(tmp_path: Path) -> None:
    document = Document.model_validate({"version": 1})
    assert cards_folder(document, None, tmp_path) == tmp_path / "cards"
    named = Document.model_validate({"version": 1, "cards": "ours"})
    assert cards_folder(named, tmp_path / "toolgate.yaml", Path("/state")) == tmp_path / "ours"
