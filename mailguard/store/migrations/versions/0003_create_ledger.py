"""Create the ledger: one row for each message judged, without content.

It is apart from the audit log because it is written in groups, and may lose the last in a crash.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003_create_ledger"
down_revision = "0002_create_audit_log"


def upgrade() -> None:
    op.create_table(
        "ledger_rows",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("school", sa.Text, nullable=False),
        sa.Column("queue_id", sa.Text, nullable=False),
        sa.Column("received", sa.DateTime, nullable=False),
        sa.Column("listener", sa.Text, nullable=False),
        sa.Column("sender", sa.Text, nullable=False),
        sa.Column("recipients", sa.JSON, nullable=False),
        sa.Column("relationship", sa.Text, nullable=False),
        sa.Column("level", sa.Integer, nullable=False),
        sa.Column("categories", sa.JSON, nullable=False),
        sa.Column("symbols", sa.JSON, nullable=False),
        sa.Column("disposition", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("unscanned", sa.JSON, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("ms", sa.Integer, nullable=False),
        sa.Column("written", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_rows"),
    )
    op.create_index("ix_ledger_rows_school_received", "ledger_rows", ["school", "received"])
    op.create_index("ix_ledger_rows_school_written", "ledger_rows", ["school", "written"])
