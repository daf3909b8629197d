"""`toolgate`: the commands, each imported when it is called."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import click

from toolgate import __version__
from toolgate.cli import collector
from toolgate.cli.outcome import EXIT_CODES, Failure
from toolgate.errors import ToolgateError

__all__ = ["COMMANDS", "main", "toolgate"]

COMMANDS: Final[Mapping[str, str]] = {
    "up": "Serve all configured servers on one endpoint.",
    "status": "Show every server and how it is.",
    "health": "Say whether all is well, for people and for scripts.",
    "top": "Watch the servers at work.",
    "usage": "Show who called what, how often, and how it went.",
    "advice": "Suggest what to prune, cache or mend.",
    "audit": "Show the last calls: who, what, and how it ended.",
    "tools": "List the tools.",
    "call": "Call a tool.",
    "connect": "Install a server from a card, and try it.",
    "disconnect": "Remove a server that was installed, with its secrets.",
    "test": "Try a server that was installed.",
    "cards": "List and show the cards that servers are installed from.",
    "search": "Look for servers among the cards and in the MCP registry.",
    "start": "Start a server that is stopped or idle.",
    "stop": "Stop a server, until somebody starts it.",
    "restart": "Stop a server and start it again.",
    "logs": "Show what a server wrote, and what became of it.",
    "timeline": "Show the states that a server went through, and who asked.",
    "servers": "Add, remove, show and list servers.",
    "doctor": "Find out why a server cannot be reached, or what sandboxes there are.",
    "config": "Check and show the configuration.",
    "keys": "Create, list and revoke API keys.",
    "vault": "Show what is in the vault, and change its master key.",
    "stdio": "Be a stdio server, for clients that speak only that.",
}


class LazyGroup(click.Group):
    """Knows its commands' names and one line of each; `toolgate.cli.<name>` has the rest."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"toolgate.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101  # a table of ours, held by a test
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ToolgateError as error:
            raise Failure(error, as_json=bool(ctx.ensure_object(dict).get("json"))) from error


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=f"Start with:  toolgate up\n\n{EXIT_CODES}",
)
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
def toolgate() -> None:
    """One guarded door between every agent and every MCP server."""


def main() -> None:
    """The console script."""
    collector.load()
    toolgate(prog_name="toolgate")
