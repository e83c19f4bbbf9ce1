"""LiteLLM's `config.yaml` as ours. Shapes are those of its proxy's documentation and example files.

A model group is a public model with one endpoint per entry. Where a group has fallbacks, or an alias stands for it,
callers ask for a route of that name, and the group itself is called `direct/NAME`.
"""

from pathlib import Path

from intertie.adapters.migration.draft import Draft, Imported, is_name
from intertie.adapters.migration.foreign import SECRETS_SHOWN, Notes, Section, Variables, names_in, read
from intertie.adapters.migration.litellm_models import Group, ModelList
from intertie.adapters.migration.litellm_reasons import GENERAL, ROUTER, SETTINGS, TOP
from intertie.config.tree import Mapping, Scalar

_STRATEGIES = {
    "simple-shuffle": "balanced", "least-busy": "balanced", "usage-based-routing": "balanced",
    "usage-based-routing-v2": "balanced", "latency-based-routing": "interactive", "cost-based-routing": "economy",
}  # fmt: skip
_EVERY = "*"


def litellm(data: bytes, file: Path, at: float) -> Imported:
    """Read a configuration of LiteLLM's proxy; `at` is the moment (epoch seconds) at which list prices must hold.

    Raises ConfigFault if it is not YAML, or has no sections.
    """
    notes = Notes()
    return _Reader(read(data, file, notes), notes, at).imported()


class _Reader:
    def __init__(self, top: Section, notes: Notes, at: float) -> None:
        self._top, self._notes, self._at = top, notes, at
        self._draft = Draft()
        self._fallbacks: dict[str, list[str]] = {}
        self._aliases: dict[str, str] = {}
        self._lines: dict[str, int] = {}

    def imported(self) -> Imported:
        variables = self._variables()
        settings, router = self._top.section("litellm_settings"), self._top.section("router_settings")
        general = self._top.section("general_settings")
        models = ModelList(self._notes, variables, self._credentials(), settings.truth("drop_params"), self._at)
        models.read(self._top.items("model_list"))
        for section in (settings, router):
            self._chains(section)
            self._reliability(section)
        self._choosing(router)
        self._keys(general, variables)
        settings.rest(SETTINGS)
        router.rest(ROUTER)
        general.rest(GENERAL)
        self._place(models.groups)
        self._unused(variables)
        self._top.rest(TOP)
        if variables.shown:
            self._notes.say("api_key", 0, SECRETS_SHOWN)
        return Imported(self._draft, self._notes.left)

    def _variables(self) -> Variables:
        self._own = self._top.section("environment_variables")
        return Variables({name: self._own.text_of(name) for name in self._own.entries()})

    def _unused(self, variables: Variables) -> None:
        for name in self._own.entries():
            self._own.take(name)
            if name not in variables.used:
                self._own.say(name, "the environment is set where `intertie serve` is started, not in the file")

    def _credentials(self) -> dict[str, Section]:
        found: dict[str, Section] = {}
        for where, node in self._top.items("credential_list"):
            entry = Section(node, where, self._notes)
            found[entry.text("credential_name")] = entry.section("credential_values")
        return found

    def _chains(self, section: Section) -> None:
        """Fallbacks of all kinds: here they are taken when no endpoint of the group can serve, whatever the reason."""
        for key in ("fallbacks", "context_window_fallbacks"):
            for where, node in section.items(key):
                if not isinstance(node, Mapping):
                    self._notes.say(where, node.place.line, f"expected a model and its fallbacks, found {node.kind}")
                    continue
                for name, names in node.entries.items():
                    self._lines.setdefault(name, node.place.line)
                    self._fallbacks.setdefault(name, []).extend(names_in(where, names, self._notes))
        default = section.take("default_fallbacks")
        self._fallbacks.setdefault(_EVERY, []).extend(names_in(section.at("default_fallbacks"), default, self._notes))
        aliases = section.take("model_group_alias")
        if isinstance(aliases, Mapping):
            for alias, target in aliases.entries.items():
                self._lines[alias] = target.place.line
                node = target.entries.get("model") if isinstance(target, Mapping) else target
                self._aliases[alias] = node.text if isinstance(node, Scalar) else ""

    def _reliability(self, section: Section) -> None:
        retries, fails, cooldown = section.number("num_retries"), section.count("allowed_fails"), "cooldown_time"
        if retries is not None:
            self._draft.set("retry", "max_attempts", int(retries) + 1)
        if fails is not None:
            self._draft.set("breaker", "failures", fails)
        pairs = ((cooldown, "breaker", "open_s"), ("stream_timeout", "upstream", "first_byte_timeout_s"))
        whole = "timeout" if section.text_of("timeout") else "request_timeout"
        for key, place, name in (*pairs, (whole, "upstream", "answer_timeout_s")):
            seconds = section.number(key)
            if seconds:
                self._draft.set(place, name, float(seconds))

    def _choosing(self, router: Section) -> None:
        strategy = router.text("routing_strategy")
        if strategy in _STRATEGIES:
            self._draft.set("gateway", "default_objective", _STRATEGIES[strategy])
        elif strategy:
            router.say("routing_strategy", f"{strategy!r} has no counterpart: see objectives")

    def _keys(self, general: Section, variables: Variables) -> None:
        value = general.text("master_key")
        if value:
            self._draft.keys.append({"name": "master", "value": variables.secret(value)})
            general.say("master_key", "it becomes a key that may use every model; it administers nothing")
        else:
            self._notes.say("general_settings", 0, "no master_key: nobody gets in without a key; see `intertie keys`")

    def _place(self, groups: dict[str, Group]) -> None:
        """Endpoints, routes and limits, now that all names are known."""
        chains = {name: self._chain(name, groups) for name in groups}
        routed = {name for name, chain in chains.items() if chain} | (self._aliases.keys() & groups.keys())
        inner = {name: f"direct/{name}" if name in routed else name for name in groups}
        for name, group in groups.items():
            for endpoint in group.endpoints:
                upstream = endpoint.get("upstream_model") or (name if name in routed else "")
                self._draft.add({**endpoint, "model": inner[name], "upstream_model": upstream})
            self._limit(name, inner[name], group)
        for name in groups:
            if name in routed and name not in self._aliases:
                self._route(name, inner[name], [inner[each] for each in chains[name]])
        for alias, target in self._aliases.items():
            if target in groups and is_name(alias):
                self._route(alias, inner[target], [inner[each] for each in chains[target]])
            else:
                self._notes.say(f"model_group_alias.{alias}", self._lines[alias], f"there is no model {target!r}")
        for name in self._fallbacks.keys() - groups.keys() - {_EVERY}:
            self._notes.say(f"fallbacks.{name}", self._lines.get(name, 0), f"there is no model {name!r}")

    def _chain(self, name: str, groups: dict[str, Group]) -> list[str]:
        chats = not any(endpoint["operations"] for endpoint in groups[name].endpoints)
        wanted = [*self._fallbacks.get(name, ()), *(self._fallbacks.get(_EVERY, ()) if chats else ())]
        known = [self._aliases.get(each, each) for each in dict.fromkeys(wanted)]
        for each in known:
            if each not in groups:
                self._notes.say(f"fallbacks.{name}", self._lines.get(name, 0), f"there is no model {each!r}")
        return [each for each in dict.fromkeys(known) if each in groups and each != name]

    def _route(self, name: str, candidate: str, fallback: list[str]) -> None:
        route = {"name": name, "candidates": [candidate], "fallback": fallback}
        self._draft.routes.append({key: value for key, value in route.items() if value})
        if len(fallback) > 1:
            why = "fallbacks are tried in the order of their score, not in the order in which they are written"
            self._notes.say("fallbacks", 0, why)

    def _limit(self, name: str, model: str, group: Group) -> None:
        kinds = sorted({kind for rates in group.rates for kind in rates})
        shared = [kind for kind in kinds if all(kind in rates for rates in group.rates)]
        if shared:
            sums = {kind: sum(rates[kind] for rates in group.rates) for kind in shared}
            self._draft.limits.append({"on": f"model:{model}", **sums})
            self._notes.say(f"model_list: {name}", 0, f"{', '.join(shared)} bind the model as a whole, added up")
        for kind in kinds:
            if kind not in shared:
                self._notes.say(f"model_list: {name}", 0, f"{kind}: only some of its entries have one, so none is set")
