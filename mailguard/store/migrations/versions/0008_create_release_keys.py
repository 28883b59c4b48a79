"""Create the keys under which released messages pass a mail server that asks about them.

A key has a row from its issue on, so that one whose row is gone is good for nothing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008_create_release_keys"
down_revision = "0007_create_receipts"


def upgrade() -> None:
    op.create_table(
        "release_keys",
        sa.Column("school", sa.Text, nullable=False),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("issued", sa.DateTime, nullable=False),
        sa.Column("spent", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("school", "token", name="pk_release_keys"),
    )
