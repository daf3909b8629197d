"""The dashboard shows what is there to be shown, and all of it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.deploy.expressions import labels, names, unbalanced
from tests.deploy.test_prometheus import EXPORTED, LABELS, recorded_series
from tests.parts.where import ROOT
from toolgate.observe.families import FAMILIES

DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana" / "toolgate.json").read_text())


def panels() -> Iterator[dict[str, Any]]:
    return (panel for panel in DASHBOARD["panels"] if panel["type"] != "row")


def expressions() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def test_it_is_a_dashboard_as_grafana_imports_it() -> None:
    assert (DASHBOARD["title"], DASHBOARD["uid"]) == ("Toolgate", "toolgate")
    assert DASHBOARD["schemaVersion"] >= 36
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in panels():
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_no_panel_lies_on_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


@pytest.mark.parametrize("expression", expressions())
def test_an_expression_names_only_what_is_exported(expression: str) -> None:
    assert not unbalanced(expression)
    assert names(expression)
    assert names(expression) <= EXPORTED | recorded_series()
    assert {
        (name, label) for name, label in labels(expression) if name in LABELS and label not in LABELS[name]
    } == set()


def test_every_metric_is_on_it() -> None:
    shown = set().union(*map(names, expressions()))
    missing = {name for name in FAMILIES if not any(one.startswith(name) for one in shown)}
    assert missing == {"process_virtual_memory_bytes"}  # nobody is the wiser for it


def test_its_variables_are_asked_of_what_is_exported() -> None:
    queries = [one["definition"] for one in DASHBOARD["templating"]["list"] if one["type"] == "query"]
    assert len(queries) == 2
    for query in queries:
        metric = query.removeprefix("label_values(").split("{")[0].split(",")[0]
        assert metric in FAMILIES
