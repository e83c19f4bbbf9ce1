"""Principals and meters: who may call, and every budget and limit that binds them.

Everything that applies binds: the key's own, its user's, its group's, its project's and the models'. A key made with
`intertie keys create` whose group is no longer in the file may use nothing: lost limits must not mean no limits.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from intertie.config.fields import nearest
from intertie.config.settings import Settings
from intertie.config.tree import Place
from intertie.config.wishes import (
    BudgetWish,
    Document,
    GroupWish,
    KeyWish,
    LimitWish,
    Owner,
    OwnerKind,
    OwnerWish,
)
from intertie.control.findings import Findings
from intertie.core.principal import Meter, MeterKind, Principal, StoredKey
from intertie.policy.keys import digest

_NOBODY = GroupWish(name="")
_LIMITS: tuple[tuple[str, MeterKind], ...] = (("rpm", "requests"), ("tpm", "tokens"), ("concurrent", "concurrent"))


class Meters:
    """All meters by id, and which of them hang on whom."""

    def __init__(self, models: Collection[str], webhook: str, findings: Findings) -> None:
        self.by_id: dict[str, Meter] = {}
        self._owned: dict[Owner, list[str]] = {}
        self._models, self._webhook, self._findings = models, webhook, findings

    def of(self, kind: OwnerKind, name: str) -> tuple[str, ...]:
        """The meters of an owner."""
        return tuple(self._owned.get(Owner(kind, name), ()))

    def of_models(self) -> tuple[str, ...]:
        """The meters of all models: they bind every caller."""
        return tuple(meter for owner, ids in self._owned.items() if owner.kind == "model" for meter in ids)

    def add_budget(self, owner: Owner, wish: BudgetWish) -> None:
        """A budget of an owner."""
        model = self._model(owner, wish)
        self._add(
            owner,
            Meter(
                id=_meter_id("budget", owner, wish.model, wish.per),
                kind="usd",
                cap=wish.usd,
                owner=f"{owner.kind} {owner.name}",
                model=model,
                period=wish.per,
                zone=wish.zone,
                webhook=wish.webhook or self._webhook or None,
            ),
            wish.place,
        )

    def add_limits(self, owner: Owner, wish: LimitWish) -> None:
        """The limits of an owner: a meter for each that is set."""
        model = self._model(owner, wish)
        for name, kind in _LIMITS:
            cap: int | None = getattr(wish, name)
            if cap is not None:
                meter = _meter_id("limit", owner, wish.model, name)
                self._add(owner, Meter(meter, kind, cap, f"{owner.kind} {owner.name}", model), wish.at_key(name))

    def _model(self, owner: Owner, wish: BudgetWish | LimitWish) -> str | None:
        if wish.model is not None:
            self._findings.known(wish.at_key("model"), f"{owner.kind} {owner.name}: model", wish.model, self._models)
        return owner.name if owner.kind == "model" else wish.model

    def _add(self, owner: Owner, meter: Meter, place: Place) -> None:
        if meter.id in self.by_id:
            self._findings.fault(place, f"{meter.id} is given twice", "one owner has one such figure per model")
            return
        self.by_id[meter.id] = meter
        self._owned.setdefault(owner, []).append(meter.id)


def meters_of(document: Document, settings: Settings, models: Collection[str], findings: Findings) -> Meters:
    """All budgets and limits of the file, those that stand with their owner and those that name it."""
    meters = Meters(models, settings.alerts.webhook, findings)
    sections: tuple[tuple[OwnerKind, Sequence[OwnerWish]], ...] = (
        ("key", document.keys),
        ("user", document.users),
        ("group", document.groups),
        ("project", document.projects),
    )
    for kind, wishes in sections:
        for wish in wishes:
            for budget in wish.budget:
                meters.add_budget(Owner(kind, wish.name), budget)
            for limits in wish.limits:
                meters.add_limits(Owner(kind, wish.name), limits)
    for budget in document.budgets:
        meters.add_budget(budget.on, budget)
    for limits in document.limits:
        meters.add_limits(limits.on, limits)
    return meters


def principals_of(
    document: Document, stored_keys: Sequence[StoredKey], pepper: bytes, meters: Meters, findings: Findings
) -> dict[str, Principal]:
    """Who calls, by the keyed digest (hex) of the key: keys of the file, then stored ones."""
    groups = findings.unique(document.groups, "name", "group")
    found: dict[str, Principal] = {}
    for wish in findings.unique(document.keys, "name", "key").values():
        if wish.group:
            findings.known(wish.at_key("group"), f"key {wish.name}: group", wish.group, groups)
        if not wish.value:
            findings.fault(wish.at_key("value"), f"key {wish.name} is empty")
        key = digest(pepper, wish.value.encode())
        if key in found:
            findings.fault(wish.at_key("value"), f"keys {found[key].name} and {wish.name} have the same secret")
        found[key] = _principal(wish.name, wish, groups.get(wish.group, _NOBODY), meters, findings)
    for stored in stored_keys:
        found.setdefault(stored.digest, _stored(stored, groups, meters, findings))
    _check_owners(document, found.values(), findings)
    return found


def _stored(stored: StoredKey, groups: Mapping[str, GroupWish], meters: Meters, findings: Findings) -> Principal:
    wish = KeyWish(
        name=stored.name,
        value="",
        group=stored.group,
        user=stored.user,
        project=stored.project,
        expires=stored.expires,
    )
    group = groups.get(stored.group) if stored.group else _NOBODY
    if group is None:
        hint = "it may use nothing until the group is back, or the key is revoked"
        findings.warn(Place(), f"key {stored.id} ({stored.name}) is of group {stored.group!r}, which is gone", hint)
        group = GroupWish(name=stored.group, models=())
    principal = _principal(stored.id, wish, group, meters, findings)
    return msgspec.structs.replace(principal, revoked=stored.revoked is not None)


def _principal(key_id: str, key: KeyWish, group: GroupWish, meters: Meters, findings: Findings) -> Principal:
    residency = key.residency or group.residency
    if key.residency and group.residency:
        residency = tuple(place for place in key.residency if place in group.residency)
        if not residency:
            said = f"key {key.name} and its group {group.name} have no jurisdiction in common"
            findings.fault(key.at_key("residency"), said)
    bound = (
        *dict.fromkeys((*meters.of("key", key_id), *meters.of("key", key.name))),
        *(meters.of("user", key.user) if key.user else ()),
        *(meters.of("group", key.group) if key.group else ()),
        *(meters.of("project", key.project) if key.project else ()),
        *meters.of_models(),
    )
    return Principal(
        key_id=key_id,
        name=key.name,
        user=key.user,
        group=key.group,
        project=key.project,
        models=_in_both(key.models, group.models),
        meters=bound,
        objective=key.objective or group.objective,
        weights={**group.weights, **key.weights} or None,
        residency=residency,
        expires_at=key.expires,
        allow_unpriced=key.allow_unpriced or group.allow_unpriced,
    )


def _in_both(one: tuple[str, ...] | None, other: tuple[str, ...] | None) -> frozenset[str] | None:
    if one is None or other is None:
        rest = other if one is None else one
        return None if rest is None else frozenset(rest)
    return frozenset(one) & frozenset(other)


def _check_owners(document: Document, principals: Iterable[Principal], findings: Findings) -> None:
    callers = list(principals)
    known: dict[OwnerKind, set[str]] = {
        "key": {name for caller in callers for name in (caller.key_id, caller.name)},
        "user": {wish.name for wish in document.users} | {caller.user for caller in callers},
        "group": {wish.name for wish in document.groups},
        "project": {wish.name for wish in document.projects} | {caller.project for caller in callers},
        "model": {wish.model for wish in document.endpoints},
    }
    for wish in (*document.budgets, *document.limits):
        kind, name = wish.on.kind, wish.on.name
        if kind in ("group", "model"):
            findings.known(wish.at_key("on"), kind, name, known[kind])
        elif name not in known[kind]:
            hint = nearest(name, sorted(known[kind] - {""}))
            findings.warn(wish.at_key("on"), f"no {kind} is called {name!r} yet", hint)


def _meter_id(what: str, owner: Owner, model: str | None, last: str) -> str:
    return ":".join(part for part in (what, owner.kind, owner.name, model, last) if part)
