"""The tables. Times are seconds since the epoch."""

from typing import Final

from sqlalchemy import Column, Double, Index, Integer, LargeBinary, MetaData, String, Table, text

__all__ = ["api_keys", "catalogues", "metadata"]

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
