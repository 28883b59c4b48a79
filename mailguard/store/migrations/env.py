"""Run the steps on the connection, and in the transaction, that `upgrade` was given."""

from alembic import context

# render_as_batch: SQLite changes a table by copying it.
context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
context.run_migrations()
