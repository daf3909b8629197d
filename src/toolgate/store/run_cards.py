"""The repository of cards that people added."""

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

from sqlalchemy import delete, insert, select, update

from toolgate.store.database import Database
from toolgate.store.tables import run_cards

__all__ = ["RunCards"]


class RunCards:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self, owners: Iterable[str] | None) -> list[Mapping[str, Any]]:
        """As JSON, of these owners or of all; in the order in which they were made."""
        chosen = select(run_cards.c.card).order_by(run_cards.c.created_at, run_cards.c.id)
        if owners is not None:
            chosen = chosen.where(run_cards.c.owner.in_(list(owners)))
        async with self._database.reading() as connection:
            return [json.loads(card) for card in (await connection.scalars(chosen)).all()]

    async def put(self, owner: str, name: str, card: Mapping[str, Any], who: str) -> None:
        """In the place of the owner's earlier one of that name."""
        now = time.time()
        mine = (run_cards.c.owner == owner) & (run_cards.c.name == name)
        values = {"card": json.dumps(card), "updated_at": now, "updated_by": who}
        async with self._database.writing() as connection:
            if (await connection.execute(update(run_cards).where(mine).values(values))).rowcount == 0:
                made = {"id": uuid4().hex, "owner": owner, "name": name, "created_at": now, "created_by": who}
                await connection.execute(insert(run_cards).values({**values, **made}))

    async def remove(self, owner: str, name: str) -> bool:
        """Whether there was one."""
        mine = (run_cards.c.owner == owner) & (run_cards.c.name == name)
        async with self._database.writing() as connection:
            return (await connection.execute(delete(run_cards).where(mine))).rowcount > 0
