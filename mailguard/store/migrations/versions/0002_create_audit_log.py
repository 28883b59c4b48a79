"""Create the audit log, its heads, and the triggers that refuse to change or delete an entry.

The triggers stop mistakes, not attackers: those can drop them, and then the hash chain tells.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002_create_audit_log"
down_revision = "0001_create_quarantine"


def upgrade() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("school", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("prev", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("school", "seq", name="pk_audit_entries"),
    )
    op.create_index("ix_audit_entries_school_subject", "audit_entries", ["school", "subject"])
    op.create_table(
        "audit_heads",
        sa.Column("school", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("school", name="pk_audit_heads"),
    )
    for verb in ("update", "delete"):
        op.execute(
            f"CREATE TRIGGER audit_entries_no_{verb} BEFORE {verb} ON audit_entries "
            "BEGIN SELECT RAISE(ABORT, 'audit entries are never changed or deleted'); END"
        )
