"""A config object of Portkey's gateway (JSON) as ours: strategy single, fallback or loadbalance, targets nested.

A target is an endpoint. Those that stand beside each other (loadbalance) are endpoints of one model; those that stand
behind each other (fallback) are models of their own, `NAME/1`, `NAME/2` …, and the route NAME goes through them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from intertie.adapters.migration.draft import ELSEWHERE, Draft, Entry, Imported
from intertie.adapters.migration.foreign import SECRETS_SHOWN, Notes, Section, literal, read
from intertie.catalog.providers import Preset, called, presets
from intertie.core.faults import InvalidRequest

_MOST_DEPTH: Final = 8
_STEPS_OF_ORDER = "targets behind each other inside a loadbalance: every first one, then every second one"
_HOOKS = "guardrails are not part of this version"
_REASONS = {
    "cache": "answers are not cached in this version; engines and providers cache prompts by themselves",
    "weight": "the choice is made from what is measured, not from fixed shares: see objectives",
    "on_status_codes": "what may be tried elsewhere is decided by the kind of error: see retry",
    "input_guardrails": _HOOKS,
    "output_guardrails": _HOOKS,
    "before_request_hooks": _HOOKS,
    "after_request_hooks": _HOOKS,
    "default_input_guardrails": _HOOKS,
    "default_output_guardrails": _HOOKS,
    "forward_headers": "headers of callers are not passed on, except traceparent",
    "strict_open_ai_compliance": "answers keep what providers say beside OpenAI's fields",
    "metadata": "budgets and reports are by key, user, group and project",
    "vertex_service_account_json": "give the endpoint a `credential`: an access token in a file (file:PATH)",
}
_PARAMETERS = "requests are passed on as callers send them: parameters have no defaults here"


class Inherited(msgspec.Struct, frozen=True):
    """What a target takes from those around it: the model and limit of output that override, and the host."""

    model: str = ""
    limit: int | None = None
    host: str = ""


class Target(msgspec.Struct, frozen=True):
    """One endpoint: where it is, and the model that it overrides, "" for the one that the request names."""

    entry: Entry
    model: str
    where: str


Tiers = list[list[Target]]
"""Targets beside each other, in tiers that stand behind each other."""


def portkey(data: bytes, file: Path, model: str, name: str, providers: Mapping[str, str]) -> Imported:
    """Read a config object. `model` is what callers name where a target overrides none, `name` the route's name.

    `providers` tells which preset stands behind a virtual key or an integration (`@slug`) that Portkey keeps.
    Raises ConfigFault if it cannot be read, InvalidRequest if `model` is needed and not given.
    """
    notes = Notes()
    top = read(data, file, notes)
    reader = _Reader(notes, providers)
    tiers = [tier for tier in reader.tiers(top, Inherited(), 0) if tier]
    for target in (target for tier in tiers for target in tier):
        if not (target.model or model):
            where = target.where or "the config"
            raise InvalidRequest(f"{where} overrides no model: say which one callers name, with --model", param="model")
    if any(target.entry["credential"] for tier in tiers for target in tier):
        notes.say("api_key", 0, SECRETS_SHOWN)
    _place(reader.draft, tiers, model, name or model or file.stem)
    return Imported(reader.draft, notes.left)


class _Reader:
    """Reads nested targets. Retries and timeouts are one setting for all here."""

    def __init__(self, notes: Notes, providers: Mapping[str, str]) -> None:
        self.draft = Draft()
        self._notes, self._providers = notes, providers

    def tiers(self, node: Section, around: Inherited, depth: int) -> Tiers:
        """The targets of a config, tier by tier."""
        self._settings(node)
        strategy = node.section("strategy")
        mode = strategy.text("mode")
        strategy.rest(_REASONS)
        around = _inherited(node, around)
        targets = node.items("targets")
        if not targets:
            return [[target] for target in (self._target(node, around),) if target is not None]
        if depth >= _MOST_DEPTH:
            node.say("targets", f"targets are nested deeper than {_MOST_DEPTH} levels")
            return []
        if mode == "conditional":
            strategy.say("mode", "conditions on metadata have no counterpart: give each kind of caller its own route")
            return []
        inner = [self.tiers(Section(child, where, self._notes), around, depth + 1) for where, child in targets]
        node.rest(_REASONS)
        if mode == "fallback":
            return [tier for tiers in inner for tier in tiers]
        return self._beside(inner[:1] if mode == "single" else inner, node)

    def _beside(self, inner: list[Tiers], node: Section) -> Tiers:
        deepest = max(map(len, inner))
        if deepest > 1 and len(inner) > 1:
            node.say("targets", _STEPS_OF_ORDER)
        return [[target for tiers in inner if step < len(tiers) for target in tiers[step]] for step in range(deepest)]

    def _settings(self, node: Section) -> None:
        retry = node.section("retry")
        attempts = retry.count("attempts")
        if attempts is not None:
            self._once("retry", "max_attempts", attempts + 1, node)
        retry.rest({"use_retry_after_header": "an endpoint's own Retry-After is always kept", **_REASONS})
        timeout = node.number("request_timeout")
        if timeout:
            self._once("upstream", "answer_timeout_s", float(timeout) / 1_000, node)

    def _once(self, section: str, key: str, value: float, node: Section) -> None:
        """A setting that holds for all here: the largest that any target has."""
        before = self.draft.settings.get(section, {}).get(key)
        if before not in (None, value):
            self._notes.say(node.where or "targets", node.line, f"{section}.{key} is one for all: the largest is taken")
        self.draft.set(section, key, value if before is None else max(value, before))

    def _target(self, node: Section, around: Inherited) -> Target | None:
        provider, key = node.text("provider"), node.text("virtual_key")
        slug, _, slugged = provider.removeprefix("@").partition("/")
        preset = presets().get(self._providers.get(key or slug, "")) or called("portkey").get(slug)
        model = around.model or slugged
        if preset is not None and model:
            preset = preset.serving(model)
        entry = _address(node, preset, around.host)
        node.rest(_REASONS)
        if preset is None and not around.host:
            name = "virtual_key" if key else "provider"
            why = (
                f"which provider stands behind {key or provider!r} is kept at Portkey: say it, --provider NAME=PROVIDER"
            )
            node.say(name, why)
            return None
        return Target({**entry, "max_output": around.limit}, model, node.where)


def _inherited(node: Section, around: Inherited) -> Inherited:
    override = node.section("override_params")
    model, limit = override.text("model"), override.count("max_tokens") or override.count("max_completion_tokens")
    override.rest(dict.fromkeys(override.entries(), _PARAMETERS))
    return Inherited(model or around.model, limit or around.limit, node.text("custom_host") or around.host)


def _address(node: Section, preset: Preset | None, host: str) -> Entry:
    key, entry = node.text("api_key"), Entry()
    resource, named = node.text("resource_name"), node.text("deployment_id")
    if preset is None or not preset.cloud:
        entry["site"] = ELSEWHERE
    entry["provider"] = preset.id if preset else ""
    own = preset.url.replace(preset.own_word, resource) if preset and preset.own_word and resource else ""
    entry["url"] = literal(host or own).rstrip("/")
    entry["upstream_model"] = named
    entry["credential"] = literal(key) or _aws(node)
    entry["region"] = node.text("aws_region") or node.text("vertex_region")
    entry["project"] = node.text("vertex_project_id")
    entry["api_version"] = node.text("api_version")
    return entry


def _aws(node: Section) -> str:
    parts = [node.text(name) for name in ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")]
    return literal(":".join(part for part in parts if part)) if parts[0] and parts[1] else ""


def _place(draft: Draft, tiers: Tiers, model: str, name: str) -> None:
    """Endpoints of one model per tier, and a route through them; one tier alone needs no route."""
    models = [name] if len(tiers) == 1 else [f"{name}/{step}" for step in range(1, len(tiers) + 1)]
    for public, tier in zip(models, tiers, strict=True):
        for target in tier:
            upstream = target.entry["upstream_model"] or target.model or model
            provider = target.entry["provider"] or "own"
            own = {"id": f"{public}.{provider}", "model": public}
            draft.add({**own, **target.entry, "upstream_model": "" if upstream == public else upstream})
    if len(models) > 1:
        draft.routes.append({"name": name, "candidates": models[:1], "fallback": models[1:]})
