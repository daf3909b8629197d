"""`toolgate search`."""

from pathlib import Path

import click

from toolgate.cli.cards import print_cards
from toolgate.cli.catalogue import known_cards
from toolgate.cli.options import config_option, json_option, url_option
from toolgate.cli.output import print_json, print_note, print_table
from toolgate.cli.settings import Settings
from toolgate.sources.registry import Entry, Registry, RegistryError

__all__ = ["search"]

_WIDEST = 80  # characters of a description


@click.command(
    short_help="Look for servers among the cards and in the MCP registry.",
    epilog="Example:  toolgate search weather\n\nWhat was found is installed with `toolgate connect NAME`.",
)
@click.argument("words", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1, 100), default=20, metavar="N", help="The most of the registry (20).")
@url_option
@config_option
@json_option
def search(words: tuple[str, ...], limit: int, url: str | None, config: Path | None, as_json: bool) -> None:
    """Look for WORDS among the cards, and for a server whose name has them in the MCP registry."""
    settings = Settings(config)
    text = " ".join(words)
    found = known_cards(settings, url).search(text)
    entries: list[Entry] = []
    failure: RegistryError | None = None
    try:
        entries = Registry(settings.document().registry).search(text, limit)
    except RegistryError as error:
        failure = error
    if as_json:
        servers = [
            {"name": entry.name, "version": entry.version, "description": entry.description} for entry in entries
        ]
        print_json({
            "cards": [card.to_json() for card in found],
            "registry": servers,
            "error": failure.message if failure else None,
        })  # fmt: skip
        return
    if found:
        print_cards(found)
        click.echo()
    print_table(("IN THE REGISTRY", "VERSION", "DESCRIPTION"), [_row(entry) for entry in entries])
    if failure is not None:
        print_note(f"{failure.message}\n  {failure.hint}")


def _row(entry: Entry) -> tuple[str, str, str]:
    text = entry.description if entry.status == "active" else f"({entry.status}) {entry.description}"
    return entry.name, entry.version, text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
