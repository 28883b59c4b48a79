"""Create held messages and their recipients, and the clocks by which they grow old.

A row for each recipient, because every decision is about one recipient's copy. The indices serve
lists by state and by time, which must stay quick with 100,000 messages.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001_create_quarantine"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "held_messages",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("school", sa.Text, nullable=False),
        sa.Column("queue_id", sa.Text, nullable=False),
        sa.Column("listener", sa.Text, nullable=False),
        sa.Column("received", sa.DateTime, nullable=False),
        sa.Column("sender", sa.Text, nullable=False),
        sa.Column("sender_argument", sa.LargeBinary, nullable=False),
        sa.Column("level", sa.Integer, nullable=False),
        sa.Column("categories", sa.JSON, nullable=False),
        sa.Column("symbols", sa.JSON, nullable=False),
        sa.Column("sealed", sa.Boolean, nullable=False),
        sa.Column("alert", sa.Boolean, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("ruleset", sa.Text, nullable=False),
        sa.Column("folder", sa.Text, nullable=False),
        sa.Column("dup_risk", sa.Boolean, nullable=False),
        sa.Column("exported", sa.Boolean, nullable=False),
        sa.Column("attempt_at", sa.DateTime, nullable=True),
        sa.Column("touched", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_held_messages"),
    )
    op.create_index("ix_held_messages_school_id", "held_messages", ["school", "id"])
    op.create_index("ix_held_messages_school_received", "held_messages", ["school", "received"])
    op.create_table(
        "held_recipients",
        sa.Column("held_id", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("school", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("argument", sa.LargeBinary, nullable=False),
        sa.Column("relationship", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reply", sa.Text, nullable=False),
        sa.Column("decided_by", sa.Text, nullable=True),
        sa.Column("decided_at", sa.DateTime, nullable=True),
        sa.Column("reason", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("held_id", "position", name="pk_held_recipients"),
        sa.ForeignKeyConstraint(
            ["held_id"],
            ["held_messages.id"],
            name="fk_held_recipients_held_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        "ix_held_recipients_school_state_held_id",
        "held_recipients",
        ["school", "state", "held_id"],
    )
    op.create_table(
        "clocks",
        sa.Column("school", sa.Text, nullable=False),
        sa.Column("seconds", sa.BigInteger, nullable=False),
        sa.Column("boot", sa.Text, nullable=False),
        sa.Column("uptime", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("school", name="pk_clocks"),
    )
