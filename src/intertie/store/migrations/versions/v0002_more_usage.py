"""What requests used beyond plain tokens, and the service tier they were served in."""

from alembic import op
from sqlalchemy import BigInteger, Column, Text

revision = "0002"
down_revision = "0001"

_COUNTS = (
    "written", "written_1h", "audio_in", "audio_out", "image_in", "image_out", "images", "audio_ms", "characters",
    "pages", "searches",
)  # fmt: skip


def upgrade() -> None:
    """Add the columns to the ledger; requests that are there used none of it."""
    for name in _COUNTS:
        op.add_column("ledger", Column(name, BigInteger))
    op.add_column("ledger", Column("tier", Text, nullable=False, server_default=""))
