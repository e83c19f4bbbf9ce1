"""A principal: who calls, what they may use, and which limits and budgets they must fit."""

from typing import Literal, get_args

import msgspec

MeterKind = Literal["usd", "requests", "tokens", "concurrent"]
PeriodName = Literal["day", "week", "month", "total"]

KINDS: tuple[MeterKind, ...] = get_args(MeterKind)

KEY_PREFIX = "itk_"


class Meter(msgspec.Struct, frozen=True):
    """One limit or budget. All meters that name a principal must have room for a request, or it is refused.

    `cap` is nano-dollars for `usd`, else a count: requests or tokens in any 60 seconds, or calls at once.
    `owner` says whose it is in words a person understands (`group interns`); `model` narrows it to one public model.
    `period` and `zone` (an IANA time zone) hold for `usd` only: when a spent budget starts anew.
    """

    id: str
    kind: MeterKind
    cap: int
    owner: str
    model: str | None = None
    period: PeriodName = "total"
    zone: str = "UTC"
    webhook: str | None = None


class Principal(msgspec.Struct, frozen=True):
    """Who calls: a key and what is bound to it.

    `models` are the public names that may be used (None: all); `meters` the ids of the meters that bind it;
    `objective` and `weights` its defaults for choosing; `residency` the jurisdictions its data may be processed in
    (empty: anywhere); `expires_at` epoch seconds.
    """

    key_id: str
    name: str
    user: str = ""
    group: str = ""
    project: str = ""
    models: frozenset[str] | None = None
    meters: tuple[str, ...] = ()
    objective: str = ""
    weights: dict[str, float] | None = None
    residency: tuple[str, ...] = ()
    expires_at: float | None = None
    allow_unpriced: bool = False
    revoked: bool = False

    def may_use(self, model: str) -> bool:
        """Whether the public model or route is this principal's to use."""
        return self.models is None or model in self.models


class StoredKey(msgspec.Struct, frozen=True):
    """A key as the database keeps it: never the secret, only its keyed digest (hex). Times are epoch seconds."""

    id: str
    digest: str
    name: str
    group: str = ""
    user: str = ""
    project: str = ""
    created: float = 0.0
    expires: float | None = None
    revoked: float | None = None
