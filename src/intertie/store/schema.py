"""The tables. Amounts are whole numbers in the meter's unit (nano-dollars for money), times are epoch seconds.

    account           what a meter may spend (in one period, for money): cap, what is settled, what is lent out
    lease             what one worker borrowed of one account; granted, returned and settled only grow
    host              which hosts lend from these books, and a beat that grows while they live
    ledger            one row per request: open when admitted, closed when settled
    charge            what a request holds and then pays, per account
    journal_position  how far each worker's journal is folded into the ledger
    api_key           stored keys, by keyed digest only
    revision          a number that grows with every change of what snapshots are made of
    alert             thresholds that were crossed, once per account and percent
    event             what people must know: a journal that cannot be read, a lease that was taken back
    response          responses that callers come back to; `worker` is who makes one in the background, null once ended

At every commit, for every account:  settled = sum of closed charges,  leased = sum of (granted - returned - settled)
over its leases, and settled + leased <= cap unless a call cost more than its hold or the cap was lowered.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)


def _amount(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, default=0)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, default="")


MORE_USAGE = (
    "written", "written_1h", "audio_in", "audio_out", "image_in", "image_out", "images", "audio_ms", "characters",
    "pages", "searches",
)  # fmt: skip
"""What few requests use, by the names of `core.usage.Usage`: null, which takes no room, where there is none of it."""

account = Table(
    "account",
    metadata,
    Column("id", Text, primary_key=True),
    _text("meter"),
    _text("kind"),
    _amount("cap"),
    _amount("settled"),
    _amount("leased"),
    Column("recalled", Float, nullable=False, default=0.0),
    CheckConstraint("cap >= 0 AND settled >= 0 AND leased >= 0", name="amounts"),
)

lease = Table(
    "lease",
    metadata,
    Column("worker", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    _text("host"),
    _amount("granted"),
    _amount("returned"),
    _amount("settled"),
    Column("ends", Float),
    CheckConstraint("granted >= 0 AND returned >= 0 AND settled >= 0", name="amounts"),
    CheckConstraint("granted - returned - settled >= 0", name="outstanding"),
    Index("ix_lease_account", "account"),
)

host = Table("host", metadata, Column("id", Text, primary_key=True), _amount("beat"))

ledger = Table(
    "ledger",
    metadata,
    Column("worker", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    _text("key_id"),
    _text("user_name"),
    _text("group_name"),
    _text("project"),
    _text("operation"),
    _text("model"),
    _text("tags"),
    _text("objective"),
    Column("closed_at", Float),
    _text("outcome"),
    Column("status", Integer, nullable=False, default=0),
    _text("endpoint"),
    _text("site"),
    _text("upstream_model"),
    _amount("prompt"),
    _amount("completion"),
    _amount("cached"),
    _amount("reasoning"),
    Column("estimated", Boolean, nullable=False, default=False),
    Column("cost_nano", BigInteger),
    _text("price_source"),
    Column("ttft_s", Float, nullable=False, default=0.0),
    Column("duration_s", Float, nullable=False, default=0.0),
    Column("gco2", Float, nullable=False, default=0.0),
    Column("attempts", Integer, nullable=False, default=0),
    _text("fault"),
    Column("stream", Boolean, nullable=False, default=False),
    Column("plan", LargeBinary),
    *(Column(name, BigInteger) for name in MORE_USAGE),
    Column("tier", Text, nullable=False, server_default=""),
    CheckConstraint("cost_nano IS NULL OR cost_nano >= 0", name="cost"),
    Index("ix_ledger_at", "at"),
)

charge = Table(
    "charge",
    metadata,
    Column("worker", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("account", Text, primary_key=True),
    _amount("held"),
    Column("amount", BigInteger),
    CheckConstraint("held >= 0 AND (amount IS NULL OR amount >= 0)", name="amounts"),
    Index("ix_charge_account", "account"),
)

journal_position = Table(
    "journal_position",
    metadata,
    Column("worker", Text, primary_key=True),
    _text("host"),
    Column("segment", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
    _text("fault"),
)

api_key = Table(
    "api_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", Text, nullable=False, unique=True),
    _text("name"),
    _text("group_name"),
    _text("user_name"),
    _text("project"),
    Column("created", Float, nullable=False),
    Column("expires", Float),
    Column("revoked", Float),
)

revision = Table("revision", metadata, Column("id", Integer, primary_key=True, autoincrement=False), _amount("number"))

alert = Table(
    "alert",
    metadata,
    Column("account", Text, primary_key=True),
    Column("percent", Integer, primary_key=True, autoincrement=False),
    _text("host"),
    Column("at", Float, nullable=False),
    _amount("settled"),
    _amount("cap"),
    Column("told", Float),
)

event = Table(
    "event",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", Float, nullable=False),
    _text("kind"),
    _text("subject"),
    _text("message"),
)

response = Table(
    "response",
    metadata,
    Column("id", Text, primary_key=True),
    _text("owner"),
    _text("previous"),
    _text("host"),
    Column("worker", Text),
    _text("state"),
    Column("expires", Float, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("ix_response_expires", "expires"),
    Index("ix_response_worker", "worker"),
)
