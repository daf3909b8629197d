"""What Alembic runs: on the connection that `toolgate.store.migrate` hands over, inside its transaction."""

from alembic import context

from toolgate.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot alter most of a table in place
)
context.run_migrations()
