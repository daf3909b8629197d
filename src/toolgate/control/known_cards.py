"""Cards: those that are shipped, and those that people added for themselves and their teams."""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

from toolgate.errors import InvalidParams
from toolgate.model.card import Card
from toolgate.sources.cards import Catalogue, InvalidCard, card_of
from toolgate.store.run_cards import RunCards

__all__ = ["KnownCards"]


class KnownCards:
    """A `connecting.Cards`. Of two with one name the shipped one counts: nobody is given another's under its name."""

    def __init__(self, added: RunCards, folder: Path | None = None) -> None:
        """`folder` has the operator's own cards, which take the places of shipped ones."""
        self._added = added
        self._catalogue = Catalogue(folder)

    async def all(self, owners: Iterable[str] | None) -> Sequence[Card]:
        shipped = await asyncio.to_thread(self._catalogue.all)  # reads files, once
        known = {card.name: card for card in [*await self._of(owners), *shipped]}
        return [card for _, card in sorted(known.items())]

    async def get(self, name: str, owners: Iterable[str] | None) -> Card | None:
        shipped = await asyncio.to_thread(self._catalogue.find, name)
        if shipped is not None:
            return shipped
        return next((card for card in await self._of(owners) if card.name == name), None)

    async def save(self, owner: str, card: Card, who: str) -> None:
        """Raises `InvalidParams` where a shipped one has the name."""
        if await asyncio.to_thread(self._catalogue.find, card.name) is not None:
            raise InvalidParams(f"there is a card {card.name} already, which is shipped", hint="give another name")
        await self._added.put(owner, card.name, card.to_json(), who)

    async def remove(self, owner: str, name: str) -> bool:
        """Whether there was one."""
        return await self._added.remove(owner, name)

    async def _of(self, owners: Iterable[str] | None) -> list[Card]:
        found: list[Card] = []
        for data in await self._added.all(owners):
            try:
                found.append(card_of(data))
            except InvalidCard:
                continue  # saved by another version, which says what is wrong when it is saved again
        return found
