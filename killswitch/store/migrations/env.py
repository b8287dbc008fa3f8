"""Alembic's entry: runs migrations on the connection that ``migrate.upgrade`` hands in."""

from __future__ import annotations

from alembic import context

from killswitch.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=False,  # the caller's one transaction holds all steps
)
context.run_migrations()
