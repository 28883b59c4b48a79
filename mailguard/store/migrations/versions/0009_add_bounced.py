"""Remember of each copy in quarantine whether the next hop had refused it when it came.

What the next hop refuses at its release goes back to where it was: held, or undeliverable. Of the
copies that are there already none was refused.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009_add_bounced"
down_revision = "0008_create_release_keys"


def upgrade() -> None:
    op.add_column(
        "held_recipients",
        sa.Column("bounced", sa.Boolean, nullable=False, server_default=sa.false()),
    )
