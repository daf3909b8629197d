"""The cards that commands know: those of the running gateway, else those of this machine."""

from toolgate.cli.client import Api
from toolgate.cli.running import find
from toolgate.cli.settings import Settings
from toolgate.sources.cards import Catalogue, card_of, cards_folder

__all__ = ["known_cards"]


def known_cards(settings: Settings, url: str | None) -> Catalogue:
    """With those that people keep, where a gateway runs that can be asked."""
    endpoint = find(url, settings.env, settings.state)
    if endpoint is None:
        return Catalogue(cards_folder(settings.document(), settings.path, settings.state))
    return Catalogue(more=tuple(card_of(data) for data in Api(endpoint).get("cards")["cards"]))
