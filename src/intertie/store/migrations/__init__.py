"""Migrations of the schema, one step a file, run by `store.migrate` through alembic.

A step that is released is never changed; the tables it makes are spelled out in it, not taken from `store.schema`.
May import: alembic, sqlalchemy.
"""
