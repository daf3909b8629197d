"""Who brought a server into its state, and which servers a person has stopped."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("transitions", sa.Column("actor", sa.Text, nullable=False, server_default=""))
    op.create_table(
        "halts",
        sa.Column("server", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("server", name=op.f("pk_halts")),
    )


def downgrade() -> None:
    op.drop_table("halts")
    op.drop_column("transitions", "actor")
