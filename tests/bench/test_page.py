"""The page about performance names all that is measured."""

import re

from bench.__main__ import SCENARIOS
from tests.parts.where import ROOT


def test_every_scenario_is_on_the_page_and_no_other() -> None:
    page = (ROOT / "docs" / "performance.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(SCENARIOS)
