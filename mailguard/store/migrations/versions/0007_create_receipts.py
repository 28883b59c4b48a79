"""Create what is remembered so that no message arrives twice.

A reply that its client may not have read is given once more to the same message; and where a next
hop answers for each recipient, those who have a message do not get it again at its sender's retry.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007_create_receipts"
down_revision = "0006_add_ident"


def upgrade() -> None:
    op.create_table(
        "unread_replies",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("school", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("trace_free", sa.Text, nullable=False),
        sa.Column("replies", sa.JSON, nullable=False),
        sa.Column("queue_id", sa.Text, nullable=False),
        sa.Column("given", sa.Boolean, nullable=False),
        sa.Column("written", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_unread_replies"),
        sa.UniqueConstraint("school", "fingerprint", name="uq_unread_replies_school_fingerprint"),
        # Must: an id is never used again, since every process reads on from the last it has seen.
        sqlite_autoincrement=True,
    )
    op.create_table(
        "delivered_recipients",
        sa.Column("school", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("written", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("school", "fingerprint", "address", name="pk_delivered_recipients"),
    )
    # By it the message is found that a reply was about.
    op.create_index("ix_held_messages_school_queue_id", "held_messages", ["school", "queue_id"])
