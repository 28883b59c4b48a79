"""Create the tickets with which authors can have returned messages sent after all.

Only the hash of a ticket's token is kept, since who knows the token may use it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010_create_tickets"
down_revision = "0009_add_bounced"


def upgrade() -> None:
    op.create_table(
        "tickets",
        sa.Column("school", sa.Text, nullable=False),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("held_id", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("issued", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("school", "token", name="pk_tickets"),
    )
