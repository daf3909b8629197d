"""The reference leaves nothing out, and names nothing that is not there."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import click
import pytest
from pydantic import BaseModel

import toolgate
from tests.parts.where import ROOT
from toolgate.cli.main import COMMANDS
from toolgate.cli.main import toolgate as command_line
from toolgate.config import overrides
from toolgate.config.model import Access, Document, Limits, Pick, ServerEntry, SourceEntry, VirtualServer
from toolgate.errors import ToolgateError

REFERENCE = ROOT / "docs" / "reference"


def section(page: Path, heading: str) -> str:
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", page.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"{page.name} has no section {heading!r}"
    return found[1]


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("The document", Document),
        ("`servers.{name}`", ServerEntry),
        ("`sources`", SourceEntry),
        ("`virtual_servers.{name}`", VirtualServer),
        ("`limits`", Limits),
        ("`access`", Access),
    ],
)
def test_every_setting_is_documented_and_no_other(heading: str, model: type[BaseModel]) -> None:
    rows = re.findall(r"^\| `(\w+)` \|", section(REFERENCE / "configuration.md", heading), re.MULTILINE)
    assert rows == list(model.model_fields)


def test_every_part_of_a_pick_is_documented() -> None:
    text = section(REFERENCE / "configuration.md", "`virtual_servers.{name}`")
    for name, info in Pick.model_fields.items():
        assert f"`{info.alias or name}`" in text


def test_every_variable_is_documented_and_no_other() -> None:
    text = section(REFERENCE / "configuration.md", "Environment variables")
    overriding, rest = text.split("Besides these:")
    assert set(re.findall(r"`(TOOLGATE_\w+)`", overriding)) == set(overrides.variables())
    assert set(re.findall(r"`(TOOLGATE_\w+)`", rest)) == {
        "TOOLGATE_CONFIG",
        "TOOLGATE_STATE",
        "TOOLGATE_URL",
        "TOOLGATE_KEY",
    }


def verbs(group: click.Group, context: click.Context, path: str) -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from verbs(command, context, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def test_every_command_and_option_is_documented_and_no_other() -> None:
    page = REFERENCE / "cli.md"
    known = dict(verbs(command_line, click.Context(command_line), "toolgate"))
    headings = re.findall(r"^## `(toolgate [^`]+)`", page.read_text(), re.MULTILINE)
    assert {re.split(r" [A-Z[]", heading)[0]: heading for heading in headings}.keys() == known.keys()
    assert {name.split()[1] for name in known} == set(COMMANDS)
    for heading in headings:
        text = section(page, f"`{heading}`")
        command = known[re.split(r" [A-Z[]", heading)[0]]
        options = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
        assert set(re.findall(r"(--[a-z-]+)", text)) == options, heading


def codes() -> set[str]:
    """The codes of all errors that any room defines."""
    for module in walk_packages(toolgate.__path__, "toolgate."):
        if ".migrations" not in module.name and not module.name.endswith("__main__"):
            import_module(module.name)

    def below(kind: type[ToolgateError]) -> Iterator[type[ToolgateError]]:
        yield kind
        for child in kind.__subclasses__():
            yield from below(child)

    return {kind.code for kind in below(ToolgateError) if kind.__module__.startswith("toolgate.")}


def documented() -> dict[str, list[str]]:
    """The other cells of each row, by code."""
    text = (REFERENCE / "errors.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", text, re.MULTILINE)
    return {code: [cell.strip() for cell in rest.split("|")] for code, rest in rows}


def test_every_error_code_is_documented_and_no_other() -> None:
    assert set(documented()) == codes()
