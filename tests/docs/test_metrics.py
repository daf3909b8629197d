"""The page of the metrics, and what it says of the log, tell what the code does."""

import re

from tests.control.test_health import Rooms, status
from tests.docs.test_reference import REFERENCE, section
from tests.parts.where import ROOT
from toolgate.observe.families import BOUNDS, FAMILIES
from toolgate.observe.logs import KINDS, MEMBERS
from toolgate.upstream.base import State

PAGE = REFERENCE / "metrics.md"


def test_every_metric_is_on_the_page_as_it_is_and_no_other() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \| (\w+) \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    told = [(name, kind, re.findall(r"`(\w+)`", labels), merge) for name, kind, labels, merge, _ in rows]
    assert told == [(name, one.kind, list(one.labels), one.merge) for name, one in FAMILIES.items()]
    assert [text.lower() for *_, text in rows] == [one.help.rstrip(".").lower() for one in FAMILIES.values()]


def test_every_label_is_explained_and_no_other() -> None:
    told = re.findall(r"^\| `(\w+)` \|", section(PAGE, "Labels"), re.MULTILINE)
    exported = {label for family in FAMILIES.values() for label in family.labels}
    assert set(told) == exported - {"version", "python"}


def test_the_buckets_are_those_on_the_page() -> None:
    text = section(PAGE, "Buckets").split("bounds")[1]
    milliseconds, seconds = text.split(" ms")
    bounds = [float(number) / 1000 for number in re.findall(r"\d+(?:\.\d+)?", milliseconds)]
    bounds += [float(number) for number in re.findall(r"\d+(?:\.\d+)?", seconds)]
    assert tuple(bounds) == BOUNDS


def test_the_members_and_kinds_of_a_log_line_are_those_on_the_page() -> None:
    text = section(ROOT / "docs" / "how-to" / "watch-it.md", "The log")
    assert re.findall(r"`(\w+)`", text.split("`kind` tells")[0]) == list(MEMBERS)
    told = {
        logger: kind
        for kind, loggers in re.findall(r"^\| `(\w+)` \| (.*?) \|", text, re.MULTILINE)
        for logger in re.findall(r"`(toolgate[\w.]*)`", loggers)
    }
    assert told == dict(KINDS)


def test_every_member_of_a_servers_health_is_on_the_page_of_the_api_and_no_other() -> None:
    rooms = Rooms(status("time", State.READY))
    [entry] = rooms.report()["servers"]
    told = re.findall(r"^\| `(\w+)` \|", section(REFERENCE / "api.md", "`GET /api/v1/health`"), re.MULTILINE)
    assert told == list(entry)
