"""The first tables."""

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
)

revision = "0001"
down_revision = None


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _amount(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _number(name: str) -> Column[float]:
    return Column(name, Float, nullable=False)


def _primary(table: str, *columns: str) -> PrimaryKeyConstraint:
    return PrimaryKeyConstraint(*columns, name=f"pk_{table}")


def upgrade() -> None:
    """Make the tables of money, of requests, and the rest."""
    _money()
    _requests()
    _rest()


def _money() -> None:
    op.create_table(
        "account",
        _text("id"), _text("meter"), _text("kind"), _amount("cap"), _amount("settled"), _amount("leased"),
        _number("recalled"),
        _primary("account", "id"),
        CheckConstraint("cap >= 0 AND settled >= 0 AND leased >= 0", name="ck_account_amounts"),
    )  # fmt: skip
    op.create_table(
        "lease",
        _text("worker"), _text("account"), _text("host"), _amount("granted"), _amount("returned"), _amount("settled"),
        Column("ends", Float),
        _primary("lease", "worker", "account"),
        CheckConstraint("granted >= 0 AND returned >= 0 AND settled >= 0", name="ck_lease_amounts"),
        CheckConstraint("granted - returned - settled >= 0", name="ck_lease_outstanding"),
    )  # fmt: skip
    op.create_index("ix_lease_account", "lease", ["account"])
    op.create_table("host", _text("id"), _amount("beat"), _primary("host", "id"))
    op.create_table(
        "charge",
        _text("worker"), _amount("sequence"), _text("account"), _amount("held"), Column("amount", BigInteger),
        _primary("charge", "worker", "sequence", "account"),
        CheckConstraint("held >= 0 AND (amount IS NULL OR amount >= 0)", name="ck_charge_amounts"),
    )  # fmt: skip
    op.create_index("ix_charge_account", "charge", ["account"])


def _requests() -> None:
    op.create_table(
        "ledger",
        _text("worker"), _amount("sequence"), _number("at"), _text("key_id"), _text("user_name"), _text("group_name"),
        _text("project"), _text("operation"), _text("model"), _text("tags"), _text("objective"),
        Column("closed_at", Float), _text("outcome"), Column("status", Integer, nullable=False), _text("endpoint"),
        _text("site"), _text("upstream_model"), _amount("prompt"), _amount("completion"), _amount("cached"),
        _amount("reasoning"), Column("estimated", Boolean, nullable=False), Column("cost_nano", BigInteger),
        _text("price_source"), _number("ttft_s"), _number("duration_s"), _number("gco2"),
        Column("attempts", Integer, nullable=False), _text("fault"), Column("stream", Boolean, nullable=False),
        Column("plan", LargeBinary),
        _primary("ledger", "worker", "sequence"),
        CheckConstraint("cost_nano IS NULL OR cost_nano >= 0", name="ck_ledger_cost"),
    )  # fmt: skip
    op.create_index("ix_ledger_at", "ledger", ["at"])
    op.create_table(
        "journal_position",
        _text("worker"), _text("host"), Column("segment", Integer, nullable=False), _amount("position"), _text("fault"),
        _primary("journal_position", "worker"),
    )  # fmt: skip


def _rest() -> None:
    op.create_table(
        "api_key",
        _text("id"), _text("digest"), _text("name"), _text("group_name"), _text("user_name"), _text("project"),
        _number("created"), Column("expires", Float), Column("revoked", Float),
        _primary("api_key", "id"),
        UniqueConstraint("digest", name="uq_api_key_digest"),
    )  # fmt: skip
    op.create_table(
        "revision", Column("id", Integer, autoincrement=False), _amount("number"), _primary("revision", "id")
    )
    op.execute("INSERT INTO revision (id, number) VALUES (1, 0)")
    op.create_table(
        "alert",
        _text("account"), Column("percent", Integer, autoincrement=False), _text("host"), _number("at"),
        _amount("settled"), _amount("cap"), Column("told", Float),
        _primary("alert", "account", "percent"),
    )  # fmt: skip
    op.create_table(
        "event",
        Column("id", BigInteger().with_variant(Integer, "sqlite")), _number("at"), _text("kind"), _text("subject"),
        _text("message"),
        _primary("event", "id"),
    )  # fmt: skip
