"""`toolgate connect`."""

import sys
from pathlib import Path
from typing import Any, Final

import click

from toolgate.cli.asking import answers
from toolgate.cli.cards import find_card
from toolgate.cli.catalogue import known_cards
from toolgate.cli.client import Api
from toolgate.cli.options import config_option, json_option, url_option
from toolgate.cli.outcome import FAILED
from toolgate.cli.output import print_json, print_note
from toolgate.cli.settings import Settings
from toolgate.cli.status import running_gateway
from toolgate.cli.tested import print_tested
from toolgate.cli.tested import test as tested
from toolgate.model.card import Card
from toolgate.model.names import server_name
from toolgate.sources.mcpb import installed
from toolgate.sources.registry import Registry

__all__ = ["connect"]

_TIMEOUT: Final = 120.0  # seconds; the first start of a package installs it


@click.command(
    short_help="Install a server from a card, and try it.",
    epilog="""Examples:

\b
  toolgate connect github
  toolgate connect filesystem --set path=~/Documents --as documents
  toolgate connect io.github.someone/weather
  toolgate connect ./server.mcpb --digest 9f86d081884c7d65…

CARD is a card, a server of the MCP registry, or the file or address of an MCPB bundle.""",
)
@click.argument("card")
@click.option("--as", "name", metavar="NAME", help="What it is called; as its card where left out.")
@click.option(
    "--set", "given", multiple=True, metavar="NAME=VALUE", help="An answer to what it asks for; NAME=@FILE reads it."
)
@click.option("--team", metavar="TEAM", help="Install it for a team.")
@click.option("--digest", "sha256", metavar="SHA256", help="What the bundle must be.")
@click.option(
    "--version", metavar="V", default="latest", help="Which version of the registry's; its latest where left out."
)
@click.option("--keep", is_flag=True, help="Keep it, though it cannot be reached yet.")
@url_option
@config_option
@json_option
def connect(
    card: str,
    name: str | None,
    given: tuple[str, ...],
    team: str | None,
    sha256: str | None,
    version: str,
    keep: bool,
    url: str | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Install a server from a CARD, ask for what it needs, try it, and show its tools.

    Secrets are asked for without being shown, and are sealed in the vault of the gateway.
    """
    api = Api(running_gateway(url), _TIMEOUT)
    settings = Settings(config)
    found, is_new = _card(settings, url, card, sha256, version)
    values = answers(found, given, ask=not as_json)
    if is_new:
        api.post("cards", {"card": found.to_json()} | ({"team": team} if team else {}))
    body: dict[str, Any] = {
        "card": found.name,
        "name": name or server_name(found.name.rpartition(".")[2]),
        "values": values,
    }
    made = api.post("connections", body | ({"team": team} if team else {}))
    outcome = tested(api, made)
    kept = bool(outcome["ok"]) or keep
    if not kept:
        api.delete(f"connections/{made['id']}")
    _tell(found, made, outcome, kept=kept, as_json=as_json)
    click.get_current_context().exit(0 if outcome["ok"] else FAILED)


def _card(settings: Settings, url: str | None, wanted: str, sha256: str | None, version: str) -> tuple[Card, bool]:
    """The card, and whether the gateway does not know it yet."""
    if sha256 is not None or wanted.endswith((".mcpb", ".dxt")):
        return installed(wanted, sha256 or "", settings.state, sys.platform), True
    if "/" in wanted:
        entry = Registry(settings.document().registry).show(wanted, version)
        if entry.status != "active":
            print_note(f"{wanted} is {entry.status}{': ' if entry.status_message else ''}{entry.status_message}")
        return entry.card(), True
    return find_card(known_cards(settings, url), wanted), False


def _tell(card: Card, made: dict[str, Any], outcome: dict[str, Any], *, kept: bool, as_json: bool) -> None:
    if as_json:
        print_json({"connection": made if kept else None, "test": outcome})
        return
    print_tested(made["name"], outcome)
    if outcome["ok"]:
        click.echo(f"next: toolgate tools {made['server']}")
        return
    print_note(f"it is kept: toolgate test {made['name']}" if kept else "it was not kept; --keep would")
    if card.sign_in == "oauth" and not any(entry.secret and entry.name in made["inputs"] for entry in card.inputs):
        print_note(f"{card.title} wants to know who asks: `toolgate cards show {card.name}` says how")
