"""`toolgate doctor`."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolgate.cli.options import config_option, json_option
from toolgate.cli.outcome import FAILED
from toolgate.cli.output import print_json
from toolgate.cli.servers import find_server
from toolgate.cli.settings import Settings
from toolgate.cli.walls import show_walls
from toolgate.config.load import Loaded
from toolgate.model.secretref import Template
from toolgate.model.server import Http, Provenance, Server

if TYPE_CHECKING:
    from toolgate.cli.reachability import Step

__all__ = ["doctor"]


@click.command(
    short_help="Find out why a server cannot be reached, or what sandboxes there are.",
    epilog="Examples:\n\n\b\n  toolgate doctor\n  toolgate doctor https://docs.example.com/mcp\n"
    "  toolgate doctor github\n\nEnds with 1 where a step fails.",
)
@click.argument("target", metavar="[URL|SERVER]", required=False)
@config_option
@json_option
def doctor(target: str | None, config: Path | None, as_json: bool) -> None:
    """Try to reach a server step by step, and name the step that fails.

    For a URL: DNS, TCP, TLS, era, capabilities, auth. For a SERVER of the configuration that is started here: its
    command, its start, era, capabilities. Without either: which sandboxes work here, and what each of them enforces.
    """
    settings = Settings(config)
    if target is None:
        show_walls(settings.state, as_json=as_json)
        return
    loaded = settings.read()
    server = _server(loaded, target)
    steps = asyncio.run(_examine(server, loaded, settings.state, (lambda _: None) if as_json else _print))
    failed = next((step for step in steps if not step.ok), None)
    if as_json:
        listed = [{"step": step.name, "ok": step.ok, "text": step.text, "hint": step.hint} for step in steps]
        print_json({"target": server.name, "ok": failed is None, "steps": listed})
    elif failed is None:
        click.echo(f"{server.name} can be served")
    if failed is not None:
        sys.exit(FAILED)


def _server(loaded: Loaded, target: str) -> Server:
    if "://" in target:
        return Server("this server", Http(Template(target)), Provenance("command line"))
    return find_server(loaded.servers, target)


async def _examine(server: Server, loaded: Loaded, state: Path, tell: "Callable[[Step], None]") -> "list[Step]":
    from toolgate.cli.diagnosis import diagnose  # noqa: PLC0415  # the links with their HTTP client: 300 ms

    steps = []
    async for step in diagnose(server, loaded.resolver, state):
        steps.append(step)
        tell(step)
    return steps


def _print(step: "Step") -> None:
    mark = click.style("ok  ", fg="green") if step.ok else click.style("FAIL", fg="red")
    click.echo(f"{mark}  {step.name:<12}  {step.text}")
    if step.hint:
        click.echo(f"{'':20}try: {step.hint}")
