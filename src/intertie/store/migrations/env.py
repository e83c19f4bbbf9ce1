"""What alembic runs: the missing steps, over the connection and in the transaction that `store.migrate` gives it."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
