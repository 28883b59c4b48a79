"""Create the results of the self-test, and the marks that its messages leave on their way.

They are apart from held messages and ledger, where nothing of a self-test may be seen.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005_create_canary"
down_revision = "0004_create_own_mails"


def upgrade() -> None:
    op.create_table(
        "canary_runs",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("school", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("listener", sa.Text, nullable=False),
        sa.Column("failure", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_canary_runs"),
        # Must: an id is never used again, since digests count from one.
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_canary_runs_school_listener_id", "canary_runs", ["school", "listener", "id"]
    )
    op.create_table(
        "canary_marks",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("school", sa.Text, nullable=False),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_canary_marks"),
    )
    op.create_index("ix_canary_marks_school_token", "canary_marks", ["school", "token"])
