"""The tables. Times are seconds since the epoch."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
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

__all__ = ["LATENCY_COLUMNS", "api_keys", "audit", "catalogues", "metadata", "transitions", "usage"]

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
    Index(
        "ix_api_keys_live_name",
        "name",
        unique=True,
        sqlite_where=text("revoked IS NULL"),
        postgresql_where=text("revoked IS NULL"),
    ),
)

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

# After `id`, the fields of `observe.recorded.Recorded` in their order.
audit: Final = Table(
    "audit",
    metadata,
    Column("id", _Number, Identity(), primary_key=True),
    Column("at", Double, nullable=False, index=True),
    Column("seconds", Double, nullable=False),
    Column("request", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("principal_name", Text, nullable=False),
    Column("team", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("server", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("era", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("sent", BigInteger, nullable=False),
    Column("received", BigInteger, nullable=False),
    Column("trace", Text, nullable=False),
    Column("cached", Boolean, nullable=False),
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
)
