"""The repository of what was installed, and how it was used."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Table, case, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from toolgate.model.connection import Connection
from toolgate.store.database import Database
from toolgate.store.tables import connections, tool_usage

__all__ = ["ConnectionRows", "Used"]

_SAME: Final = ("id", "owner", "name", "card", "title", "created_at", "created_by", "updated_at", "updated_by",
                "status", "last_used", "usage_count")  # fmt: skip


@dataclass(slots=True)
class Used:
    """Calls of one tool since they were last written; `last` is in seconds since the epoch."""

    calls: int = 0
    last: float = 0.0


class ConnectionRows:
    """Methods that take a connection of the database work within its transaction."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def all(self, owners: Iterable[str] | None = None) -> list[Connection]:
        """In the order in which they were made; of these owners, or of all."""
        chosen = select(connections).order_by(connections.c.created_at, connections.c.id)
        if owners is not None:
            chosen = chosen.where(connections.c.owner.in_(list(owners)))
        async with self.database.reading() as connection:
            return [_read(row) for row in (await connection.execute(chosen)).mappings()]

    async def get(self, id: str) -> Connection | None:  # noqa: A002
        async with self.database.reading() as connection:
            return await self.held(connection, id)

    async def held(self, connection: AsyncConnection, id: str) -> Connection | None:  # noqa: A002
        chosen = select(connections).where(connections.c.id == id)
        row = (await connection.execute(chosen)).mappings().first()
        return _read(row) if row is not None else None

    async def named(self, connection: AsyncConnection, owner: str, name: str) -> Connection | None:
        chosen = select(connections).where(connections.c.owner == owner, connections.c.name == name)
        row = (await connection.execute(chosen)).mappings().first()
        return _read(row) if row is not None else None

    async def count(self, connection: AsyncConnection, owner: str) -> int:
        chosen = select(func.count()).select_from(connections).where(connections.c.owner == owner)
        return await connection.scalar(chosen) or 0

    async def add(self, connection: AsyncConnection, made: Connection) -> None:
        """Raises `IntegrityError` where the owner has one of that name."""
        await connection.execute(insert(connections).values(_written(made)))

    async def change(self, connection: AsyncConnection, changed: Connection) -> None:
        """What a person may change; how it is used stays as it is."""
        values = {name: value for name, value in _written(changed).items() if name not in _COUNTED}
        await connection.execute(update(connections).where(connections.c.id == changed.id).values(values))

    async def remove(self, connection: AsyncConnection, id: str) -> None:  # noqa: A002
        await connection.execute(delete(tool_usage).where(tool_usage.c.connection == id))
        await connection.execute(delete(connections).where(connections.c.id == id))

    async def seen(self, states: Mapping[str, tuple[str, tuple[str, ...]]]) -> None:
        """(state, tools) by id. Those that are gone meanwhile are passed over."""
        async with self.database.writing() as connection:
            for id_, (status, tools) in states.items():
                values = {"status": status, "tools_available": json.dumps(tools)}
                await connection.execute(update(connections).where(connections.c.id == id_).values(values))

    async def used(self, calls: Mapping[tuple[str, str], Used]) -> None:
        """Add to what is counted, by (id, tool). Several processes may at once."""
        async with self.database.writing() as connection:
            for (id_, tool), used in sorted(calls.items()):
                if not await self._add_to_connection(connection, id_, used):
                    continue  # removed meanwhile
                await _add_to_tool(connection, id_, tool, used)

    async def tool_usage(self, id: str) -> dict[str, tuple[int, float]]:  # noqa: A002
        """(calls, when last) by tool."""
        chosen = select(tool_usage).where(tool_usage.c.connection == id).order_by(tool_usage.c.tool)
        async with self.database.reading() as connection:
            return {row.tool: (row.usage_count, row.last_used) for row in await connection.execute(chosen)}

    @staticmethod
    async def _add_to_connection(connection: AsyncConnection, id_: str, used: Used) -> bool:
        values = _added(connections, used)
        done = await connection.execute(update(connections).where(connections.c.id == id_).values(values))
        return done.rowcount > 0


async def _add_to_tool(connection: AsyncConnection, id_: str, tool: str, used: Used) -> None:
    mine = (tool_usage.c.connection == id_) & (tool_usage.c.tool == tool)
    values = _added(tool_usage, used)
    # The row of the connection was locked just now, so nobody else makes this one in between.
    if (await connection.execute(update(tool_usage).where(mine).values(values))).rowcount == 0:
        made = {"connection": id_, "tool": tool, "usage_count": used.calls, "last_used": used.last}
        await connection.execute(insert(tool_usage).values(made))


def _added(table: Table, used: Used) -> dict[str, Any]:
    last = case((table.c.last_used > used.last, table.c.last_used), else_=used.last)
    return {"usage_count": table.c.usage_count + used.calls, "last_used": last}


_COUNTED: Final = frozenset({"id", "status", "tools_available", "last_used", "usage_count"})


def _written(made: Connection) -> dict[str, Any]:
    values = {name: getattr(made, name) for name in _SAME}
    return {
        **values,
        "inputs": json.dumps(made.inputs),
        "definition": json.dumps(made.definition),
        "tools_available": json.dumps(made.tools),
    }


def _read(row: Any) -> Connection:
    values = {name: row[name] for name in _SAME}
    made = Connection(**values, definition=json.loads(row["definition"]), inputs=json.loads(row["inputs"]))
    return replace(made, tools=tuple(json.loads(row["tools_available"])))
