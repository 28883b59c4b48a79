"""Add to the ledger what the mail server calls each message: its own queue id.

With it one gets from a line of the mail server's log to the row; old rows have none.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006_add_ident"
down_revision = "0005_create_canary"


def upgrade() -> None:
    op.add_column(
        "ledger_rows", sa.Column("ident", sa.Text, nullable=False, server_default=sa.text("''"))
    )
