"""What a person may write in `intertie.yaml`: every section and key, once, with its help.

These structs are the schema: the reader, the error messages and the reference page come from them. They hold wishes as
written; what they add up to (`control.compile`) is the snapshot. Prices are nano-dollars per million tokens, budgets
nano-dollars, times epoch seconds.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from intertie.config.forms import (
    COUNT,
    MOMENT,
    NAME,
    NOT_NEGATIVE,
    NUMBER,
    ORIGIN,
    POSITIVE,
    POSITIVE_COUNT,
    SECRET,
    SHARE,
    TIME_ZONE,
    USD,
    WEB_ADDRESS,
    Form,
    Name,
)
from intertie.config.price_wishes import PriceWish
from intertie.config.tree import Place
from intertie.config.wish import Wish
from intertie.core.endpoint import Dialect, OnUnsupported, Operation, Origin, Quirk
from intertie.core.principal import PeriodName
from intertie.core.site import Tier

OwnerKind = Literal["key", "user", "group", "project", "model"]
Axis = Literal["ttft", "cost", "affinity", "capacity", "proximity", "carbon"]
Weighting = dict[Axis, Annotated[float, NOT_NEGATIVE]]

OWNERS: tuple[OwnerKind, ...] = ("key", "user", "group", "project", "model")


class Owner(msgspec.Struct, frozen=True):
    """Whose a budget or limit is."""

    kind: OwnerKind
    name: str


def _owner(text: str) -> Owner:
    word, _, name = text.partition(":")
    for kind in OWNERS:
        if word == kind and name:
            return Owner(kind, name)
    raise ValueError


OWNER = Form("an owner such as group:interns (key, user, group, project or model)", _owner)


class BudgetWish(Wish, frozen=True, kw_only=True):
    """Money that may be spent, once or per calendar period."""

    usd: Annotated[int, USD, "The cap in dollars."]
    per: Annotated[PeriodName, "When the budget starts anew; `total` never does."] = "total"
    zone: Annotated[str, TIME_ZONE, "The time zone in which days, weeks and months begin."] = "UTC"
    model: Annotated[str | None, NAME, "Narrow the budget to one model."] = None
    webhook: Annotated[str | None, WEB_ADDRESS, "Where to post when 50, 80, 90 and 100 % are used."] = None


class LimitWish(Wish, frozen=True, kw_only=True):
    """How much per minute, and how much at once."""

    rpm: Annotated[int | None, COUNT, "Requests in any 60 seconds."] = None
    tpm: Annotated[int | None, COUNT, "Tokens (prompt and completion) in any 60 seconds."] = None
    concurrent: Annotated[int | None, COUNT, "Requests under way at once."] = None
    model: Annotated[str | None, NAME, "Narrow the limits to one model."] = None


class OwnedBudget(BudgetWish, frozen=True, kw_only=True):
    """A budget that is written apart from its owner."""

    on: Annotated[Owner, OWNER, "Whose it is: `group:interns`; a `model:` budget binds every caller."]


class OwnedLimit(LimitWish, frozen=True, kw_only=True):
    """Limits that are written apart from their owner."""

    on: Annotated[Owner, OWNER, "Whose they are: `key:dev`; `model:` limits bind every caller."]


class SiteWish(Wish, frozen=True, kw_only=True):
    """A place where endpoints stand."""

    id: Annotated[Name, "Its name in plans, logs and metrics."]
    tier: Annotated[Tier, "How near to people, and whose."] = "central"
    region: Annotated[str, NAME, "A cloud region, as `aws:eu-central-1`: gives place, jurisdiction and zone."] = ""
    at: Annotated[tuple[Annotated[float, NUMBER], Annotated[float, NUMBER]] | None, "Latitude and longitude."] = None
    jurisdiction: Annotated[tuple[Name, ...], "The legal zones it lies in, as `[EU, DE]`."] = ()
    carrier: Annotated[str, NAME, "The network it hangs on; kept for later, not used yet."] = ""
    power_kw: Annotated[float | None, POSITIVE, "The power it may draw, in kW; kept for later, not used yet."] = None
    zone: Annotated[str, NAME, "Its electricity grid zone, as `DE` or `US-CAL-CISO`."] = ""
    gco2_per_kwh: Annotated[float | None, NOT_NEGATIVE, "Carbon intensity; else the zone's yearly average."] = None
    rtt_ms: Annotated[float | None, NOT_NEGATIVE, "Round trip from this gateway; else estimated from `here`."] = None
    jitter_ms: Annotated[float, NOT_NEGATIVE, "How much the round trip varies (p95 - p50), in ms."] = 0.0
    loss: Annotated[float, SHARE, "Share of packets lost on the way."] = 0.0

    def __post_init__(self) -> None:
        if self.at and not (-90 <= self.at[0] <= 90 and -180 <= self.at[1] <= 180):
            raise ValueError(f"at: {list(self.at)} is no latitude (-90 to 90) and longitude (-180 to 180)")


class AcceleratorWish(Wish, frozen=True, kw_only=True):
    """The chips of one replica."""

    type: Annotated[str, NAME, "A chip of the catalog, as `h100` or `l40s`."]
    count: Annotated[int, POSITIVE_COUNT, "How many of them one replica has."] = 1


class SpeedWish(Wish, frozen=True, kw_only=True):
    """What the endpoint is believed to do before it was measured; what is left out comes from the engine."""

    prefill_tps: Annotated[float | None, POSITIVE, "Prompt tokens per second, one request alone."] = None
    decode_tps: Annotated[float | None, POSITIVE, "Completion tokens per second, one request alone."] = None
    overhead_ms: Annotated[float | None, NOT_NEGATIVE, "Fixed time before the first token."] = None
    slots: Annotated[int | None, POSITIVE_COUNT, "Requests that run at once before they queue."] = None


class CredentialWish(Wish, frozen=True, kw_only=True):
    """One of several keys for the same endpoint, with the limits of its account."""

    value: Annotated[str, SECRET, "The key."]
    rpm: Annotated[int | None, POSITIVE_COUNT, "Requests this host may send with it in any 60 seconds."] = None
    tpm: Annotated[int | None, POSITIVE_COUNT, "Tokens this host may use with it in any 60 seconds."] = None


class EndpointWish(Wish, frozen=True, kw_only=True):
    """One model at one site: what the router chooses."""

    id: Annotated[Name, "Its name in plans, logs and metrics."]
    model: Annotated[Name, "The public name of the model it serves."]
    site: Annotated[str, NAME, "Where it stands: the id of a site; may be left out where `provider` is a cloud."] = ""
    provider: Annotated[str, NAME, "A preset of `intertie providers`: gives all that is left out here."] = ""
    url: Annotated[Origin | None, ORIGIN, "Base URL, the part before `/chat/completions`; else the provider's."] = None
    dialect: Annotated[Dialect | None, "The wire format it speaks; else the provider's, else `openai_chat`."] = None
    region: Annotated[str, NAME, "The cloud's region, as `eu-central-1`, where its provider has several."] = ""
    project: Annotated[str, "The cloud's project, where its provider asks for one (Vertex)."] = ""
    api_version: Annotated[str, "The version of the API to ask for, where its provider has several (Azure)."] = ""
    upstream_model: Annotated[str, "The name the endpoint itself uses; else `model`."] = ""
    engine: Annotated[str, NAME, "The engine behind it, as `vllm`: gives a first belief about its speed."] = ""
    accelerator: Annotated[AcceleratorWish | None, "The chips of one replica: gives its power draw."] = None
    credential: Annotated[str, SECRET, "The key it wants; else what the provider's environment name holds."] = ""
    credentials: Annotated[
        tuple[CredentialWish, ...], "Several keys instead: each is an endpoint of its own, as `ID#1`, `ID#2`."
    ] = ()
    price: Annotated[PriceWish | None, "Else the provider's list price, if one is known."] = None
    speed: Annotated[SpeedWish, "First belief about its speed."] = SpeedWish()
    operations: Annotated[
        tuple[Operation, ...] | None, "What it can do; else the provider's, else chat and completions."
    ] = None
    quirks: Annotated[tuple[Quirk, ...] | None, "Where it departs from its dialect; else as its provider does."] = None
    on_unsupported: Annotated[
        OnUnsupported | None, "What becomes of parameters its dialect cannot say; else the route's, else refuse."
    ] = None
    retains: Annotated[
        bool | None, "Whether it may keep what it is sent; else yes at a site of tier provider, no elsewhere."
    ] = None
    context: Annotated[int | None, POSITIVE_COUNT, "Most tokens of prompt and completion; else the model's."] = None
    max_output: Annotated[int | None, POSITIVE_COUNT, "Most completion tokens it produces when not told."] = None
    quality: Annotated[
        float | None, SHARE, "Quality of its answers, else the model's; kept for later, not used yet."
    ] = None
    watts: Annotated[float | None, POSITIVE, "Power of one busy replica; else from `accelerator`."] = None
    max_connections: Annotated[int, POSITIVE_COUNT, "Connections a worker opens to it at most."] = 256
    simulated: Annotated[bool, "No real model stands behind it; told wherever it shows."] = False
    verify_tls: Annotated[bool, "Verify its certificate."] = True
    allow_private: Annotated[bool | None, "May its address be a private one; else `egress.allow_private`."] = None

    def __post_init__(self) -> None:
        if self.credential and self.credentials:
            raise ValueError("credential and credentials are both given: write all keys under credentials")


class ModelWish(Wish, frozen=True, kw_only=True):
    """Facts about a public model that hold wherever it is served."""

    name: Annotated[Name, "The public name."]
    context: Annotated[int | None, POSITIVE_COUNT, "Most tokens of prompt and completion."] = None
    quality: Annotated[float | None, SHARE, "Quality of its answers; kept for later, not used yet."] = None


class RouteWish(Wish, frozen=True, kw_only=True):
    """A virtual model: a name that stands for several and a policy."""

    name: Annotated[Name, "What callers send as `model`."]
    candidates: Annotated[tuple[Name, ...], "The models that may serve it."]
    objective: Annotated[str, NAME, "How to choose; else the caller's, else the default."] = ""
    fallback: Annotated[tuple[Name, ...], "Models to use when no candidate can serve."] = ()
    on_unsupported: Annotated[
        OnUnsupported | None, "What becomes of parameters that an endpoint's dialect cannot say; else refuse."
    ] = None


class ObjectiveWish(Wish, frozen=True, kw_only=True):
    """A named set of weights and limits for choosing; overrides a built-in one of the same name."""

    name: Annotated[Name, "What callers send as `x-intertie-objective`."]
    weights: Annotated[Weighting, "How much each axis counts; their sum does not matter."]
    slo_ttft_ms: Annotated[float, POSITIVE, "Time to first token beyond which an answer is worth nothing."] = 2_000.0
    max_cost_usd: Annotated[int | None, USD, "The most one request may cost."] = None


class OwnerWish(Wish, frozen=True, kw_only=True):
    """Budgets and limits of somebody."""

    name: Annotated[Name, "Its name."]
    budget: Annotated[tuple[BudgetWish, ...], "One budget or several; all bind."] = ()
    limits: Annotated[tuple[LimitWish, ...], "Limits per minute and at once."] = ()


class CallerWish(OwnerWish, frozen=True, kw_only=True):
    """What callers may use, and how they like it chosen."""

    models: Annotated[tuple[Name, ...] | None, "Models and routes that may be used; else all."] = None
    objective: Annotated[str, NAME, "How to choose when a request does not say."] = ""
    weights: Annotated[Weighting, "Weights laid over those of the objective."] = msgspec.field(
        default_factory=dict[Axis, float]
    )
    residency: Annotated[tuple[Name, ...], "Jurisdictions its data may be processed in; else anywhere."] = ()
    allow_unpriced: Annotated[bool, "Allow models without a price although a budget applies."] = False


class UserWish(OwnerWish, frozen=True, kw_only=True):
    """A person; keys name their user."""


class ProjectWish(OwnerWish, frozen=True, kw_only=True):
    """A project; keys name their project."""


class GroupWish(CallerWish, frozen=True, kw_only=True):
    """A set of callers with the same permissions."""

    source: Annotated[str, "The identity provider's group, as `oidc:interns`; kept for later, not used yet."] = (
        msgspec.field(default="", name="from")
    )


class KeyWish(CallerWish, frozen=True, kw_only=True):
    """A key set by hand; those made with `intertie keys create` live in the database."""

    value: Annotated[str, SECRET, "The secret callers send."]
    group: Annotated[str, NAME, "The group it belongs to."] = ""
    user: Annotated[str, NAME, "The person it belongs to."] = ""
    project: Annotated[str, NAME, "The project it is for."] = ""
    expires: Annotated[float | None, MOMENT, "When it stops being good."] = None


class Sections(msgspec.Struct, frozen=True):
    """The sections of `intertie.yaml` that are lists of entries."""

    sites: tuple[SiteWish, ...] = ()
    endpoints: tuple[EndpointWish, ...] = ()
    models: tuple[ModelWish, ...] = ()
    routes: tuple[RouteWish, ...] = ()
    objectives: tuple[ObjectiveWish, ...] = ()
    groups: tuple[GroupWish, ...] = ()
    users: tuple[UserWish, ...] = ()
    projects: tuple[ProjectWish, ...] = ()
    keys: tuple[KeyWish, ...] = ()
    budgets: tuple[OwnedBudget, ...] = ()
    limits: tuple[OwnedLimit, ...] = ()


class Document(Sections, frozen=True):
    """A whole configuration, all its includes read.

    `settings` holds the values of settings by name, `marks` where they stand, `files` every file that was read, secrets
    included (to watch); `environ` is the environment it was read in, where presets look for their keys; `references`
    are the secrets that are kept elsewhere, with the place where each is first named.
    """

    settings: dict[str, object] = {}
    marks: dict[str, Place] = {}
    files: tuple[str, ...] = ()
    environ: Mapping[str, str] = {}
    references: Mapping[str, Place] = {}

    def __repr__(self) -> str:
        """Only its files: what is printed by accident must not hold secrets."""
        return f"Document({', '.join(self.files)})"

    def at_setting(self, name: str) -> Place:
        """Where a setting was written, or nowhere."""
        return self.marks.get(name, Place())
