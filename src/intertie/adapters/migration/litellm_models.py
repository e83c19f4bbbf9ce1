"""LiteLLM's `model_list`: one entry is one endpoint, or many where a `*` stands for whatever a provider serves."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from intertie.adapters.migration.draft import Entry, is_name
from intertie.adapters.migration.foreign import Notes, Section, Variables
from intertie.adapters.migration.litellm_places import Place, place_of
from intertie.adapters.migration.litellm_reasons import INFO, PARAMS
from intertie.catalog.prices import price_of
from intertie.catalog.providers import Preset, models_of, operation_of, presets, seller_of
from intertie.config.tree import Node
from intertie.core.endpoint import Operation
from intertie.core.money import NANO_PER_USD

_MODES: dict[str, Operation | None] = {
    "chat": "chat", "responses": "chat", "completion": "completions", "embedding": "embeddings",
    "image_generation": "images", "image_edit": "image_edits", "audio_transcription": "transcription",
    "audio_speech": "speech", "rerank": "rerank", "moderation": "moderations", "batch": "chat",
}  # fmt: skip
_RATES = {"rpm": "rpm", "tpm": "tpm", "max_parallel_requests": "concurrent"}
_COSTS = {
    "input_cost_per_token": "input", "output_cost_per_token": "output", "cache_read_input_token_cost": "cached",
}  # fmt: skip
_MILLION = Decimal(1_000_000)
_FINEST = Decimal("0.000000001")


class Group(msgspec.Struct):
    """The endpoints behind one public name, and the limits that each entry was given."""

    endpoints: list[Entry] = []
    rates: list[dict[str, int]] = []


class Wild(msgspec.Struct, frozen=True):
    """An entry with a `*`: the pattern of public names, that of the provider's, and what each endpoint shares."""

    name: str
    pattern: str
    section: Section
    preset: Preset | None
    shared: Entry


class ModelList:
    """Reads the list. `drops` is LiteLLM's own setting for all; `at` the moment (epoch seconds) of list prices."""

    def __init__(
        self, notes: Notes, variables: Variables, credentials: Mapping[str, Section], drops: bool, at: float
    ) -> None:
        self.groups: dict[str, Group] = {}
        self._notes, self._variables, self._credentials = notes, variables, credentials
        self._drops, self._at = drops, at
        self._wild: list[Wild] = []
        self._presets: dict[str, Preset] = {}

    def read(self, items: Iterable[tuple[str, Node]]) -> None:
        """Read all entries; those with a `*` last, since a name that is written out goes before."""
        for where, node in items:
            self._entry(Section(node, where, self._notes))
        written = frozenset(self.groups)
        for wild in self._wild:
            self._expand(wild, written)

    def _entry(self, entry: Section) -> None:
        name, params, info = entry.text("model_name"), entry.section("litellm_params"), entry.section("model_info")
        model = params.text("model")
        place = place_of(model, params, self._credential(params), self._variables)
        shared = self._shared(params, info, place)
        rates = self._limits(entry, params)
        mode, own_id = info.text("mode"), info.text("id")
        for section, reasons in ((params, PARAMS), (info, INFO), (entry, PARAMS)):
            section.rest(reasons)
        if model == "*":
            self._wild.append(Wild(name, model, params, None, shared))
        elif not name or place is None:
            params.say("model", f"{model!r}: which provider serves it is not known; give the endpoint a url")
        else:
            if place.preset is not None:
                self._presets[place.preset.id] = place.preset
            if "*" in name or "*" in model:
                self._wild.append(Wild(name, place.model, params, place.preset, shared))
            elif not is_name(name):
                entry.say("model_name", f"{name!r} cannot be a name here: letters, digits and . _ - / : @ + can")
            else:
                self._add(
                    name, place, {"id": own_id, **shared, "operations": self._operations(mode, place, info)}, rates
                )

    def _add(self, name: str, place: Place, endpoint: Entry, rates: dict[str, int]) -> None:
        if endpoint["operations"] is None:
            return
        upstream = "" if place.model == name else place.model
        own = {"id": endpoint["id"] or f"{name}.{place.label}", "model": name, "upstream_model": upstream}
        group = self.groups.setdefault(name, Group())
        group.endpoints.append({**endpoint, **own})
        group.rates.append(rates)

    def _credential(self, params: Section) -> Section | None:
        name = params.text("litellm_credential_name")
        found = self._credentials.get(name)
        if name and found is None:
            params.say("litellm_credential_name", f"there is no credential {name!r}")
        return found

    def _shared(self, params: Section, info: Section, place: Place | None) -> Entry:
        drops = params.truth("drop_params") or self._drops
        context, most = info.count("max_input_tokens"), info.count("max_output_tokens")
        return {
            **({} if place is None else place.entry),
            "price": self._price(params, info, place),
            "context": context,
            "max_output": params.count("max_tokens") or most,
            "on_unsupported": "drop" if drops else None,
        }

    def _price(self, params: Section, info: Section, place: Place | None) -> Entry | None:
        found: Entry = {}
        for cost, name in _COSTS.items():
            said, inherited = params.number(cost), info.number(cost)
            amount = inherited if said is None else said
            if amount is not None:
                found[name] = _dollars(amount * _MILLION)
        base = info.text("base_model")
        if found or not base:
            return {"input": "0", "output": "0", **found} if found else None
        return self._list_price(base, info, place)

    def _list_price(self, base: str, info: Section, place: Place | None) -> Entry | None:
        preset = place.preset if place else None
        url = preset.url.replace("RESOURCE", "any") if preset else ""
        price = price_of(url, base.rpartition("/")[2], self._at)
        if price is None:
            info.say("base_model", f"no list price of {base!r} is known: give the endpoint a price")
            return None
        info.say("base_model", f"the price is today's list price of {base!r}, written down")
        figures = {"input": price.input, "output": price.output, "cached": price.cached}
        return {name: _dollars(Decimal(nano) / NANO_PER_USD) for name, nano in figures.items()}

    def _limits(self, entry: Section, params: Section) -> dict[str, int]:
        found: dict[str, int] = {}
        for foreign, name in _RATES.items():
            value = params.count(foreign) or entry.count(foreign)
            if value is not None:
                found[name] = value
        return found

    def _operations(self, mode: str, place: Place, info: Section) -> list[str] | None:
        """What an endpoint does: [] leaves it to its provider; None if nothing that is done here."""
        does = place.operation or (_MODES.get(mode) if mode else operation_of(place.model))
        if does is None:
            info.say("mode", f"{mode or place.model!r} is nothing that is done here")
            return None
        return [] if does == "chat" else [does]

    def _expand(self, wild: Wild, written: frozenset[str]) -> None:
        before, star, after = wild.pattern.partition("*")
        count = 0
        for preset in self._standing_behind(wild):
            for model, does in models_of(preset).items() if star else ():
                if model.startswith(before) and model.endswith(after) and len(model) >= len(before + after):
                    middle = model[len(before) : len(model) - len(after)]
                    name = wild.name.replace("*", middle, 1) if wild.preset else _spoken(preset, model)
                    count += self._serve(name, model, does, preset, wild, written)
        self._tell(wild, count)

    def _standing_behind(self, wild: Wild) -> list[Preset]:
        if wild.preset is None:
            return list(self._presets.values()) if wild.pattern == "*" else []
        return [wild.preset, *([presets()[wild.preset.chats]] if wild.preset.chats else [])]

    def _serve(
        self, name: str, model: str, does: Operation, preset: Preset, wild: Wild, written: frozenset[str]
    ) -> bool:
        if name in written or not is_name(name):
            return False
        own: Entry = {"id": f"{name}.{preset.id}", "model": name, "upstream_model": "" if model == name else model}
        placed = {"provider": preset.id, "operations": [] if does == "chat" else [does]}
        self.groups.setdefault(name, Group()).endpoints.append({**own, **wild.shared, **placed})
        return True

    def _tell(self, wild: Wild, count: int) -> None:
        if count:
            why = f"{wild.name!r} stands for the {count} models known today; a model that comes later must be added"
        else:
            why = f"no models are known that {wild.name!r} could stand for: name them one by one"
        wild.section.say("model", why)


def _spoken(preset: Preset, model: str) -> str:
    """The name by which LiteLLM's callers ask for a model: bare where it tells its maker."""
    maker = seller_of(model)
    return model if maker is not None and maker.id == preset.id else f"{preset.called('litellm')[0]}/{model}"


def _dollars(amount: Decimal) -> str:
    exact = amount.quantize(_FINEST, rounding="ROUND_CEILING")
    text = f"{exact:f}".rstrip("0").rstrip(".")
    return text or "0"
