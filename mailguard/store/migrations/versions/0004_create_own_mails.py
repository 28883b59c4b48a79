"""Create MailGuard's own mail, the keys it is signed with, and the mark of who was told.

Messages that are here already count as told: their alerts are days old, and the digest lists what
of them is still open.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004_create_own_mails"
down_revision = "0003_create_ledger"


def upgrade() -> None:
    op.add_column(
        "held_messages", sa.Column("told", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.execute("UPDATE held_messages SET told = 1")
    op.create_index(
        "ix_held_messages_school_alert_told", "held_messages", ["school", "alert", "told"]
    )
    op.create_table(
        "own_mails",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("school", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("about", sa.Text, nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("created", sa.DateTime, nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        sa.Column("since", sa.DateTime, nullable=True),
        sa.Column("until", sa.DateTime, nullable=True),
        sa.Column("ledger_upto", sa.BigInteger, nullable=True),
        sa.Column("audit_upto", sa.BigInteger, nullable=True),
        sa.Column("canary_upto", sa.BigInteger, nullable=True),
        sa.Column("standing", sa.Text, nullable=False),
        sa.Column("reply", sa.Text, nullable=False),
        sa.Column("ended", sa.DateTime, nullable=True),
        sa.Column("spent", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_own_mails"),
        sa.UniqueConstraint("message_id", name="uq_own_mails_message_id"),
        sa.UniqueConstraint(
            "school",
            "kind",
            "about",
            "recipient",
            name="uq_own_mails_school_kind_about_recipient",
        ),
    )
    op.create_index("ix_own_mails_school_standing", "own_mails", ["school", "standing"])
    op.create_index(
        "ix_own_mails_school_kind_recipient_id", "own_mails", ["school", "kind", "recipient", "id"]
    )
    op.create_table(
        "secrets",
        sa.Column("school", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("school", "name", name="pk_secrets"),
    )
