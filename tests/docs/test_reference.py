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
from toolgate.config.model import (
    Access,
    Document,
    Health,
    Limits,
    Pick,
    Record,
    ServerEntry,
    SourceEntry,
    Tracing,
    VirtualServer,
)
from toolgate.config.sandbox import Sandbox
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
        ("`tracing`", Tracing),
        ("`record`", Record),
        ("`health`", Health),
        ("`sandbox`", Sandbox),
    ],
)
def test_every_setting_is_documented_and_no_other(heading: str, model: type[BaseModel]) -> None:
    fields = re.findall(r"^\| `(\w+)` \|", section(REFERENCE / "configuration.md", heading), re.MULTILINE)
    assert fields == list(model.model_fields)


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
        "TOOLGATE_MASTER_KEY",
        "TOOLGATE_MASTER_KEY_FILE",
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


def errors() -> dict[str, type[ToolgateError]]:
    """The errors that any room defines, by code."""
    for module in walk_packages(toolgate.__path__, "toolgate."):
        if ".migrations" not in module.name and not module.name.endswith("__main__"):
            import_module(module.name)

    def below(kind: type[ToolgateError]) -> Iterator[type[ToolgateError]]:
        yield kind
        for child in kind.__subclasses__():
            yield from below(child)

    # The first of a code is the one that names it: children without a code of their own share their parent's.
    found: dict[str, type[ToolgateError]] = {}
    for kind in below(ToolgateError):
        if kind.__module__.startswith("toolgate."):
            found.setdefault(kind.code, kind)
    return found


def rows(heading: str) -> dict[str, list[str]]:
    """The cells after the code, by code."""
    found = re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", section(REFERENCE / "errors.md", heading), re.MULTILINE)
    return {code: [cell.strip() for cell in rest.split(" | ")] for code, rest in found}


IN_MCP = ("What a client sent", "Who may call", "The gateway itself")
FROM_SERVERS = "What a server could not do"
ON_THE_COMMAND_LINE = "On the command line"


def test_every_error_code_is_documented_and_no_other() -> None:
    documented = [code for heading in (*IN_MCP, FROM_SERVERS, ON_THE_COMMAND_LINE) for code in rows(heading)]
    assert sorted(documented) == sorted(errors())


@pytest.mark.parametrize("heading", IN_MCP)
def test_the_numbers_of_an_error_are_those_that_are_sent(heading: str) -> None:
    known = errors()
    for code, (rpc, http, _) in rows(heading).items():
        assert (int(rpc), int(http)) == (known[code].rpc, known[code].http), code


def test_the_numbers_of_a_servers_error_are_those_that_are_sent() -> None:
    known = errors()
    for code, (rpc, _) in rows(FROM_SERVERS).items():
        assert (int(rpc), 200) == (known[code].rpc, known[code].http), code
