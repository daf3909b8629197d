"""The tables. Times are seconds since the epoch."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

from toolgate.model.usage import LATENCIES

__all__ = [
    "LATENCY_COLUMNS", "api_keys", "audit", "catalogues", "connections", "metadata", "run_cards", "say_to",
    "tool_usage", "transitions", "usage", "vault",
]  # fmt: skip

metadata: Final = MetaData(naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s"})

api_keys: Final = Table(
    "api_keys",
    metadata,
    Column("id", String(8), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("created", Double, nullable=False),
    Column("expires", Double),
    Column("revoked", Double),
    Column("last_used", Double),
    Column("teams", Text, nullable=False, server_default=""),  # with commas between them
    # Grows with every change of the row, so the sum over all rows tells whether anything changed. Clocks would not.
    Column("revision", Integer, nullable=False),
)

# One name for one key that lives. `say_to` adds what PostgreSQL calls the same.
_live_name: Final = Index("ix_api_keys_live_name", api_keys.c.name, unique=True, sqlite_where=text("revoked IS NULL"))

catalogues: Final = Table(
    "catalogues",
    metadata,
    Column("fingerprint", String(128), primary_key=True),
    Column("era", String(8), nullable=False),
    Column("catalogue", LargeBinary, nullable=False),
    Column("seen_at", Double, nullable=False),
)

# SQLite numbers rows by itself where their key is called INTEGER.
_Number: Final = BigInteger().with_variant(Integer, "sqlite")

# A batch of records a row, as `batch` packs them, and what tells without unpacking them whether one may be among them.
# `records` comes last, so that SQLite passes over a row without reading it.
audit: Final = Table(
    "audit",
    metadata,
    Column("id", _Number, Identity(), primary_key=True),
    Column("first_at", Double, nullable=False),
    Column("last_at", Double, nullable=False),
    Column("calls", Integer, nullable=False),
    Column("servers", Text, nullable=False),
    Column("principals", Text, nullable=False),
    Column("outcomes", Text, nullable=False),
    Column("records", LargeBinary, nullable=False),
    Index(None, "last_at", "calls"),
)

LATENCY_COLUMNS: Final = tuple(f"latency_{bucket:02}" for bucket in range(len(LATENCIES) + 1))
"""How many answered calls fell into each bucket of `model.usage.LATENCIES`."""

# The key and the sums of `model.usage`.
usage: Final = Table(
    "usage",
    metadata,
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("principal", Text, primary_key=True),
    Column("principal_name", Text, primary_key=True),
    Column("team", Text, primary_key=True),
    Column("server", Text, primary_key=True),
    Column("method", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("ok", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("cancelled", BigInteger, nullable=False),
    Column("cached", BigInteger, nullable=False),
    Column("sent", BigInteger, nullable=False),
    Column("received", BigInteger, nullable=False),
    Column("seconds", Double, nullable=False),
    *(Column(name, BigInteger, nullable=False) for name in LATENCY_COLUMNS),
    sqlite_with_rowid=False,
)

# After `id`, the fields of `model.transition.Transition` in their order.
transitions: Final = Table(
    "transitions",
    metadata,
    Column("id", _Number, Identity(), primary_key=True),
    Column("server", Text, nullable=False),
    Column("at", Double, nullable=False, index=True),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False, server_default=""),
)

halts: Final = Table(
    "halts",
    metadata,
    Column("server", Text, primary_key=True),
    Column("actor", Text, nullable=False),
    Column("at", Double, nullable=False),
)

# A version of a secret a row, see `secrets.vault`.
vault: Final = Table(
    "vault",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("scope", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("master", String(16), nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created", Double, nullable=False),
    Index("ix_vault_version", "scope", "name", "version", unique=True),
)

# A server that was installed for somebody. `definition` is JSON in the terms of `servers` in toolgate.yaml; where it
# needs a secret it has a reference.
connections: Final = Table(
    "mcp_connections",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("card", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("inputs", Text, nullable=False),  # what the card asked for, as JSON; references for secrets
    Column("definition", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("tools_available", Text, nullable=False),  # a JSON array of names
    Column("last_used", Double),
    Column("usage_count", BigInteger, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("updated_by", Text, nullable=False),
    Index("ix_mcp_connections_name", "owner", "name", unique=True),
)

# A card that people added, as JSON.
run_cards: Final = Table(
    "mcp_run_cards",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("card", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("updated_by", Text, nullable=False),
    Index("ix_mcp_run_cards_name", "owner", "name", unique=True),
)

tool_usage: Final = Table(
    "mcp_tool_usage",
    metadata,
    Column("connection", String(32), primary_key=True),
    Column("tool", Text, primary_key=True),
    Column("usage_count", BigInteger, nullable=False),
    Column("last_used", Double, nullable=False),
    sqlite_with_rowid=False,
)


def say_to(dialect: str) -> None:
    """Before tables are made there. To name PostgreSQL's options is to load its 2 MB, which a gateway on SQLite need
    not have."""
    if dialect == "postgresql":
        _live_name.dialect_kwargs["postgresql_where"] = text("revoked IS NULL")
