"""Alembic scripts, forward only."""
