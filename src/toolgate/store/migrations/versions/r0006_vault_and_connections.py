"""Sealed secrets, servers that were installed for somebody, their usage, and cards that people added."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "vault",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("master", sa.String(16), nullable=False),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
        sa.Column("nonce", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vault")),
    )
    op.create_index("ix_vault_version", "vault", ["scope", "name", "version"], unique=True)
    _connections()
    op.create_table(
        "mcp_run_cards",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("card", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("updated_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mcp_run_cards")),
    )
    op.create_index("ix_mcp_run_cards_name", "mcp_run_cards", ["owner", "name"], unique=True)


def _connections() -> None:
    op.create_table(
        "mcp_connections",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("card", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("inputs", sa.Text, nullable=False),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("tools_available", sa.Text, nullable=False),
        sa.Column("last_used", sa.Double),
        sa.Column("usage_count", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("updated_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mcp_connections")),
    )
    op.create_index("ix_mcp_connections_name", "mcp_connections", ["owner", "name"], unique=True)
    op.create_table(
        "mcp_tool_usage",
        sa.Column("connection", sa.String(32), nullable=False),
        sa.Column("tool", sa.Text, nullable=False),
        sa.Column("usage_count", sa.BigInteger, nullable=False),
        sa.Column("last_used", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("connection", "tool", name=op.f("pk_mcp_tool_usage")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for index, table in (
        ("ix_mcp_run_cards_name", "mcp_run_cards"),
        ("ix_mcp_connections_name", "mcp_connections"),
        ("ix_vault_version", "vault"),
    ):
        op.drop_index(index, table)
    for table in ("mcp_tool_usage", "mcp_run_cards", "mcp_connections", "vault"):
        op.drop_table(table)
