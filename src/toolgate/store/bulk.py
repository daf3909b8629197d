"""Many rows at once."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["write_rows"]

_MOST: Final = 20_000
"""Values of one statement; SQLite takes 32,766 of them."""
_STEPS: Final = (500, 50)


async def write_rows(connection: AsyncConnection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """`statement` inserts one row, in the words of the driver.

    SQLite gets many rows a statement: `executemany` takes the interpreter's lock back after each row there, which costs
    four times as much while the event loop is busy. Nor does SQLAlchemy see the values: binding them its way costs more
    than writing them, on the loop.
    """
    start = 0
    if rows and connection.dialect.name == "sqlite":
        width = len(rows[0])
        for step in _STEPS:
            if step * width > _MOST:
                continue
            many = _repeated(statement, width, step)
            while start + step <= len(rows):
                await connection.exec_driver_sql(many, tuple(chain.from_iterable(rows[start : start + step])))
                start += step
    if rest := list(rows[start:]):
        await connection.exec_driver_sql(statement, rest)


@lru_cache(maxsize=8)
def _repeated(statement: str, width: int, rows: int) -> str:
    row = f"({', '.join('?' * width)})"
    return statement.replace(row, ", ".join([row] * rows), 1)
