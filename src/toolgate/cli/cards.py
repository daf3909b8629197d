"""`toolgate cards`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from toolgate.cli.arguments import nearest
from toolgate.cli.catalogue import known_cards
from toolgate.cli.options import config_option, json_option, url_option
from toolgate.cli.output import print_json, print_note, print_table
from toolgate.cli.settings import Settings
from toolgate.errors import ToolgateError
from toolgate.model.card import Card, Input
from toolgate.sources.cards import Catalogue

__all__ = ["CardUnknownError", "cards", "find_card", "print_cards"]

_WIDEST = 80  # characters of a description
_SIGN_IN = {"key": "with a key of yours", "oauth": "by signing in, or with a key where it takes one", "none": ""}


class CardUnknownError(ToolgateError):
    """There is no card of this name."""

    code = "card-unknown"


class _Cards(click.Group):
    """`toolgate cards sql` is `toolgate cards list sql`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        return super().resolve_command(ctx, args if args[0] in self.commands else ["list", *args])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        bare = not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names)
        return super().parse_args(ctx, ["list", *args] if bare else args)


def find_card(catalogue: Catalogue, name: str) -> Card:
    card = catalogue.find(name)
    if card is None:
        meant = nearest(name, [known.name for known in catalogue.all()])
        raise CardUnknownError(f"there is no card {name}{meant}", hint=f"`toolgate search {name}` looks further")
    return card


@click.group(cls=_Cards, epilog="Example:  toolgate cards database")
def cards() -> None:
    """List and show the cards that servers are installed from."""


@cards.command(name="list", epilog="Example:  toolgate cards list database")
@click.argument("words", nargs=-1)
@url_option
@config_option
@json_option
def list_(words: tuple[str, ...], url: str | None, config: Path | None, as_json: bool) -> None:
    """List the cards, or those that WORDS find."""
    catalogue = known_cards(Settings(config), url)
    for problem in catalogue.problems:
        print_note(str(problem))
    found = catalogue.search(" ".join(words))
    if as_json:
        print_json({"cards": [card.to_json() for card in found]})
        return
    if not found:
        print_note(f"no card has all of these words; `toolgate search {' '.join(words)}` looks further")
    else:
        print_cards(found)


@cards.command(name="show", epilog="Example:  toolgate cards show github")
@click.argument("card")
@url_option
@config_option
@json_option
def show(card: str, url: str | None, config: Path | None, as_json: bool) -> None:
    """Show what a card asks for, what it starts or reaches, and which tools it brings."""
    found = find_card(known_cards(Settings(config), url), card)
    if as_json:
        print_json(found.to_json())
        return
    for line in _lines(found):
        click.echo(line)


def print_cards(found: Sequence[Card]) -> None:
    print_table(("CARD", "DESCRIPTION"), [(card.name, _shortened(card.description)) for card in found])


def _shortened(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def _lines(card: Card) -> list[str]:
    sandbox: dict[str, Any] = card.server.get("sandbox") or {}
    facts = {
        "sign-in": _SIGN_IN[card.sign_in],
        "scopes": ", ".join(card.scopes),
        "reaches": ", ".join(sandbox.get("network", ())) or str(card.server.get("url", "")),
        "tools": ", ".join(card.tools),
        "page": card.docs,
        "tried": _tried(card),
    }
    asked = [line for entry in card.inputs for line in _asked(entry)]
    return [
        f"{card.title} ({card.name})",
        card.description,
        *(f"{name + ':':<10}{text}" for name, text in facts.items() if text),
        *(["it asks for:", *asked] if asked else []),
        f"install it:  toolgate connect {card.name}",
    ]


def _tried(card: Card) -> str:
    if card.tried is None:
        return ""
    of = f" {card.tried.version}" if card.tried.version else ""
    return f"{card.tried.how}{of}, {card.tried.on}" + (f". {card.tried.note}" if card.tried.note else "")


def _asked(entry: Input) -> list[str]:
    what = "secret" if entry.secret else "|".join(entry.choices) or entry.kind.value
    more = (
        ""
        if entry.required and entry.default is None
        else f", default {entry.default}"
        if entry.default
        else ", optional"
    )
    lines = [
        f"  {entry.name} ({what}{', several' if entry.several else ''}{more}): {entry.label}. {entry.help}".rstrip()
    ]
    return lines + ([f"      from {entry.where}"] if entry.where else [])
