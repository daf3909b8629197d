"""Records of calls, a batch a row, and what calls add up to."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_USAGE_KEYS = ("principal", "principal_name", "team", "server", "method", "name")
_USAGE_SUMS = ("ok", "failed", "errors", "refused", "cancelled", "cached", "sent", "received")
_BUCKETS = 16


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), sa.Identity(), nullable=False),
        sa.Column("first_at", sa.Double, nullable=False),
        sa.Column("last_at", sa.Double, nullable=False),
        sa.Column("calls", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("servers", "principals", "outcomes")),
        sa.Column("records", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_last_at_calls", "audit", ["last_at", "calls"])
    op.create_table(
        "usage",
        sa.Column("hour", sa.BigInteger, autoincrement=False, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in _USAGE_KEYS),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _USAGE_SUMS),
        sa.Column("seconds", sa.Double, nullable=False),
        *(sa.Column(f"latency_{bucket:02}", sa.BigInteger, nullable=False) for bucket in range(_BUCKETS)),
        sa.PrimaryKeyConstraint("hour", *_USAGE_KEYS, name=op.f("pk_usage")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("usage")
    op.drop_index("ix_audit_last_at_calls", "audit")
    op.drop_table("audit")
