from pathlib import Path

from toolgate.model.secretref import Template
from toolgate.model.server import Provenance, Server, Stdio
from toolgate.sources.base import Found, Shadowed
from toolgate.sources.merge import merge


def found(source: str, **commands: str) -> tuple[str, Found]:
    servers = (
        Server(name, Stdio(Template(command)), Provenance(source, f"/{source}")) for name, command in commands.items()
    )
    return source, Found(tuple(servers))


def test_earlier_wins_and_the_clash_is_reported() -> None:
    servers, reports = merge([found("one", a="x", b="y"), found("two", b="other", c="z")])
    assert [(server.name, server.provenance.source) for server in servers] == [("a", "one"), ("b", "one"), ("c", "two")]
    assert [report.count for report in reports] == [2, 1]
    assert reports[1].shadowed == (Shadowed("b", "/two", by="one", identical=False),)


def test_the_same_definition_twice_is_one_server() -> None:
    servers, reports = merge([found("one", a="x"), found("two", a="x")])
    assert len(servers) == 1
    assert reports[1].shadowed == (Shadowed("a", "/two", by="one", identical=True),)


def test_a_name_that_is_withheld_is_served_from_nowhere_later() -> None:
    servers, reports = merge([("first", Found(withheld=frozenset({"a"}))), found("two", a="x", b="y")])
    assert [server.name for server in servers] == ["b"]
    assert [(skipped.name, skipped.reason) for skipped in reports[1].skipped] == [("a", "turned off in first")]


def test_only_files_that_exist_are_reported(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.touch()
    _, [report] = merge([("one", Found(files=(there, tmp_path / "missing")))])
    assert report.files == (there,)
