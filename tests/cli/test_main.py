import json
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module

import click
import pytest
from click.testing import CliRunner

from toolgate import __version__
from toolgate.cli.main import COMMANDS, LazyGroup, toolgate
from toolgate.cli.options import json_option
from toolgate.cli.outcome import GatewayMissingError
from toolgate.errors import ConfigError, StoreError, ToolgateError


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


EVERY = list(commands(toolgate))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_that_is_known_without_importing_is_the_commands_own(name: str) -> None:
    command = getattr(import_module(f"toolgate.cli.{name}"), name)
    assert command.get_short_help_str(200) == COMMANDS[name]


@pytest.mark.parametrize(("path", "command"), EVERY, ids=[" ".join(path) for path, _ in EVERY])
def test_every_command_has_help_with_an_example(path: tuple[str, ...], command: click.Command) -> None:
    result = CliRunner().invoke(toolgate, [*path, "--help"])
    assert result.exit_code == 0
    assert "Example" in result.output
    assert "toolgate" in result.output


@pytest.mark.parametrize(("path", "command"), EVERY, ids=[" ".join(path) for path, _ in EVERY])
def test_every_command_answers_in_json_if_asked(path: tuple[str, ...], command: click.Command) -> None:
    if isinstance(command, click.Group) or path == ("stdio",):
        return  # groups answer nothing, and what `stdio` says is the protocol
    options = {option for parameter in command.params for option in parameter.opts}
    assert "--json" in options
    assert path != ("call",) or "--output" in options


def test_help_names_all_commands_and_the_exit_codes() -> None:
    output = CliRunner().invoke(toolgate, ["--help"]).output
    assert all(f"  {name} " in output for name in COMMANDS)
    assert "3 no gateway is running" in " ".join(output.split())


def test_the_version_is_told() -> None:
    assert CliRunner().invoke(toolgate, ["--version"]).output == f"toolgate {__version__}\n"


def test_help_comes_at_once() -> None:
    spent = []
    for _ in range(3):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "toolgate", "--help"], check=True, capture_output=True)
        spent.append(time.perf_counter() - begun)
    assert min(spent) < 0.25, spent


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from toolgate.cli.main import toolgate\n"
        "try: toolgate(['--help'], prog_name='toolgate')\n"
        "except SystemExit: pass\n"
        "print([name for name in ('rich', 'sqlalchemy', 'pydantic', 'aiohttp', 'asyncio') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StoreError("the disk is full", hint="empty it"), 1),
        (GatewayMissingError("nobody is there", hint="call"), 3),
        (ConfigError("not a number", file="toolgate.yaml", line=3, field="timeout", hint="write one"), 4),
    ],
)
def test_an_error_is_for_the_person_and_has_its_exit_code(error: ToolgateError, code: int) -> None:
    @click.command()
    @json_option
    def failing(as_json: bool) -> None:
        raise error

    class Group(LazyGroup):
        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
            return failing

    plain = CliRunner().invoke(Group("toolgate"), ["failing"])
    assert (plain.exit_code, plain.stdout) == (code, "")
    assert plain.stderr == f"error: {error.message}\n  try: {error.hint}\n"
    asked = CliRunner().invoke(Group("toolgate"), ["failing", "--json"])
    assert (asked.exit_code, asked.stderr) == (code, "")
    assert json.loads(asked.stdout) == {"error": {"code": error.code, "message": error.message, "hint": error.hint}}


def test_an_unknown_command_is_wrong_usage() -> None:
    assert CliRunner().invoke(toolgate, ["nothing"]).exit_code == 2
