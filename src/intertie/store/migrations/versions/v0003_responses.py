"""Responses that callers come back to."""

from alembic import op
from sqlalchemy import Column, Float, LargeBinary, PrimaryKeyConstraint, Text

revision = "0003"
down_revision = "0002"


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def upgrade() -> None:
    """Make their table."""
    op.create_table(
        "response",
        _text("id"), _text("owner"), _text("previous"), _text("host"), Column("worker", Text), _text("state"),
        Column("expires", Float, nullable=False), Column("body", LargeBinary, nullable=False),
        PrimaryKeyConstraint("id", name="pk_response"),
    )  # fmt: skip
    op.create_index("ix_response_expires", "response", ["expires"])
    op.create_index("ix_response_worker", "response", ["worker"])
