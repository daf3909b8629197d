"""What the gateway wrote down of who called, read from its database after it stopped."""

import sqlite3
from pathlib import Path

from toolgate.store.batch import unpack

__all__ = ["audit_size", "recorded"]


def _database(state: Path) -> Path | None:
    found = sorted(state.rglob("*.db")) + sorted(state.rglob("*.sqlite*"))
    return found[0] if found else None


def recorded(state: Path, principal: str) -> int | None:
    """How many calls of tools by the key of that name; None where there is no such table."""
    if (file := _database(state)) is None:
        return None
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        batches = connection.execute("SELECT records FROM audit")
        return sum(
            record.principal_name == principal and record.method == "tools/call"
            for (batch,) in batches
            for record in unpack(batch)
        )
    except sqlite3.OperationalError:
        return None
    finally:
        connection.close()


def audit_size(state: Path) -> float:
    """MB of the state folder."""
    return sum(file.stat().st_size for file in state.rglob("*") if file.is_file()) / 1e6
