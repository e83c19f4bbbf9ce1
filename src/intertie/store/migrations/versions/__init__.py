"""The steps, oldest first.

Each names the step before it and says how to go up; going down is restoring a backup.
May import: alembic, sqlalchemy.
"""
