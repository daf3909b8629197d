"""The rules and the scrape configuration: checked by us, and by Prometheus's own checker where that is installed."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.deploy.expressions import labels, names, unbalanced
from tests.parts.where import ROOT
from toolgate.cli.main import COMMANDS
from toolgate.config.model import Document
from toolgate.observe.families import BOUNDS, FAMILIES, Kind, Merge
from toolgate.observe.metrics import FAULTS

FOLDER = ROOT / "deploy" / "prometheus"
RULES = FOLDER / "toolgate.rules.yaml"
CONFIG = FOLDER / "prometheus.yaml"

# `up` is Prometheus's own.
EXPORTED = {"up"} | {
    name + suffix
    for name, family in FAMILIES.items()
    for suffix in (("_bucket", "_sum", "_count") if family.kind is Kind.HISTOGRAM else ("",))
}
LABELS = {
    name + suffix: {"job", "instance", "le", *family.labels, *(["worker"] if family.merge is Merge.WORKER else [])}
    for name, family in FAMILIES.items()
    for suffix in ("", "_bucket", "_sum", "_count")
}

_DURATION = re.compile(r"\d+(ms|s|m|h|d|w)")
_SERIES = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_RECORDING = {"record", "expr"}
_ALERTING = {"alert", "expr", "for", "labels", "annotations"}


def read(file: Path) -> Any:
    return YAML(typ="safe").load(file)


def rules() -> list[dict[str, Any]]:
    return [rule for group in read(RULES)["groups"] for rule in group["rules"]]


def recorded_series() -> set[str]:
    return {rule["record"] for rule in rules() if "record" in rule}


def name_of(rule: dict[str, Any]) -> str:
    return str(rule.get("alert") or rule.get("record"))


def test_the_files_are_what_prometheus_takes() -> None:
    groups = read(RULES)
    assert groups.keys() == {"groups"}
    assert len({group["name"] for group in groups["groups"]}) == len(groups["groups"])
    assert all(group.keys() == {"name", "rules"} for group in groups["groups"])
    if promtool := shutil.which("promtool"):
        for command in (["check", "rules", str(RULES)], ["check", "config", str(CONFIG)]):
            subprocess.run([promtool, *command], check=True, capture_output=True)


@pytest.mark.parametrize("rule", rules(), ids=name_of)
def test_a_rule_has_the_shape_of_one_and_reads_what_is_exported(rule: dict[str, Any]) -> None:
    assert rule.keys() == (_ALERTING if "alert" in rule else _RECORDING)
    assert _SERIES.fullmatch(name_of(rule))
    expression = rule["expr"]
    assert not unbalanced(expression)
    assert names(expression)
    assert names(expression) <= EXPORTED | recorded_series()
    assert {
        (name, label) for name, label in labels(expression) if name in LABELS and label not in LABELS[name]
    } == set()


@pytest.mark.parametrize("rule", [rule for rule in rules() if "alert" in rule], ids=name_of)
def test_an_alert_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"].keys() == {"summary", "description"}
    assert _DURATION.fullmatch(rule["for"])
    for text in rule["annotations"].values():
        assert text
        assert set(re.findall(r"`toolgate (\w+)", text)) <= COMMANDS.keys()
        for label in re.findall(r"\{\{ \$labels\.(\w+) \}\}", text):
            assert (
                label == "instance"
                or label in rule["expr"]
                or any(label in LABELS.get(name, ()) for name in names(rule["expr"]))
            )


def test_the_rules_mean_by_a_fault_what_the_gateway_means() -> None:
    faults = [
        set(re.findall(r'outcome=~"([^"]*)"', rule["expr"])) for rule in rules() if "faults" in rule.get("record", "")
    ]
    assert len(faults) == 4
    for [alternatives] in faults:
        assert set(alternatives.split("|")) == FAULTS


def test_the_objectives_are_the_defaults() -> None:
    health = Document(version=1).health
    expressions = " ".join(rule["expr"] for rule in rules())
    assert health.latency in BOUNDS
    assert f'le="{health.latency}"' in expressions
    budgets = dict(re.findall(r"(toolgate:\w+):ratio_rate\w+ > [\d.]+ \* ([\d.]+)", expressions))
    assert float(budgets.pop("toolgate:faults")) == pytest.approx(1 - health.availability)
    assert float(budgets.pop("toolgate:slow")) == pytest.approx(1 - health.fast)
    assert not budgets


def test_the_scrape_configuration_finds_a_gateway_with_defaults() -> None:
    config = read(CONFIG)
    assert config["rule_files"] == [RULES.name]
    [job] = config["scrape_configs"]
    assert (job["job_name"], job["metrics_path"]) == ("toolgate", "/metrics")
    assert job["static_configs"] == [{"targets": [Document(version=1).listen]}]
