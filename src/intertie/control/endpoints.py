"""Sites and endpoints: wishes and facts joined into what the router chooses from."""

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from intertie.catalog.accelerators import accelerators
from intertie.catalog.carbon import gco2_per_kwh
from intertie.catalog.engines import engines
from intertie.catalog.prices import price_of
from intertie.catalog.regions import regions
from intertie.config.fields import nearest
from intertie.config.settings import Settings
from intertie.config.wishes import Document, EndpointWish, ModelWish, SiteWish
from intertie.control.findings import Findings
from intertie.control.presets import filled, list_price_at, preset_of, site_of
from intertie.control.prices import price_as_said
from intertie.core.endpoint import Endpoint, Origin, Speed
from intertie.core.money import Price
from intertie.core.site import Site

_HOME = Origin("https", "api.openai.com", 443, "/v1")  # where openai_chat is spoken when a provider's URL is left out
_AS_WRITTEN = (
    "site", "model", "credential", "max_connections", "simulated", "verify_tls", "region", "project",
    "api_version", "provider", "on_unsupported",
)  # fmt: skip


def sites_of(document: Document, settings: Settings, findings: Findings) -> dict[str, Site]:
    """Sites by id: place, law and grid zone from the region if one is named; those of providers need no entry."""
    wishes = findings.unique(document.sites, "id", "site")
    sites = {wish.id: _site(wish, findings) for wish in wishes.values()}
    for wish in document.endpoints:
        preset = preset_of(wish)
        if preset is not None and preset.cloud and not wish.site:
            sites.setdefault(preset.id, site_of(preset))
    here = sites.get(settings.here)
    if settings.here and here is None:
        findings.known(document.at_setting("here"), "gateway.here: site", settings.here, sites)
    return sites


def endpoints_of(
    document: Document, settings: Settings, sites: Mapping[str, Site], at: float, findings: Findings
) -> dict[str, Endpoint]:
    """Endpoints by id, one per key. `at` is the moment (epoch seconds) at which list prices must hold."""
    models = findings.unique(document.models, "name", "model")
    found: dict[str, Endpoint] = {}
    for written in findings.unique(document.endpoints, "id", "endpoint").values():
        wish = filled(written, document.environ, findings)
        _check_site(wish, sites, findings)
        origin = wish.url or _default_origin(wish, sites, findings)
        model = models.get(wish.model) or ModelWish(name=wish.model)
        speed = _speed(wish, findings)
        endpoint = Endpoint(
            id=wish.id,
            upstream_model=wish.upstream_model or wish.model,
            origin=origin,
            operations=("chat", "completions") if wish.operations is None else wish.operations,
            dialect=wish.dialect or "openai_chat",
            price=_price(wish, origin, speed, at),
            speed=speed,
            context=wish.context or model.context or 131_072,
            max_output=wish.max_output or settings.default_max_output,
            watts=_watts(wish, findings),
            quality=_first(wish.quality, model.quality, 0.5),
            allow_private=settings.egress.allow_private if wish.allow_private is None else wish.allow_private,
            names=_names(wish),
            quirks=frozenset(wish.quirks or ()),
            retains=_retains(wish, sites),
            **{name: getattr(wish, name) for name in _AS_WRITTEN},
        )
        found |= {one.id: one for one in _by_key(endpoint, wish, settings.worker_count)}
    for name in models.keys() - {endpoint.model for endpoint in found.values()}:
        findings.warn(models[name].place, f"no endpoint serves model {name!r}")
    return found


def ids_of(wish: EndpointWish) -> tuple[str, ...]:
    """The ids of the endpoints that an entry makes: its own, or, where it has several keys, one for each."""
    count = len(wish.credentials)
    return (wish.id,) if count < 2 else tuple(f"{wish.id}#{number}" for number in range(1, count + 1))


def _by_key(endpoint: Endpoint, wish: EndpointWish, workers: int) -> Iterator[Endpoint]:
    """The endpoint once for each key, because each account has limits, and so a capacity, of its own.

    What is declared for the host is split among its workers: none may send for another.
    """
    if not wish.credentials:
        yield endpoint
    for name, key in zip(ids_of(wish), wish.credentials, strict=False):
        rpm, tpm = [None if limit is None else max(1, limit // workers) for limit in (key.rpm, key.tpm)]
        names = tuple(dict.fromkeys((name, *endpoint.names)))
        yield replace(endpoint, id=name, credential=key.value, rpm=rpm, tpm=tpm, names=names)


def _site(wish: SiteWish, findings: Findings) -> Site:
    region = regions().get(wish.region)
    if wish.region and region is None:
        findings.known(wish.at_key("region"), f"site {wish.id}: region", wish.region, regions())
    zone = wish.zone or (region.zone if region else "")
    intensity = wish.gco2_per_kwh if wish.gco2_per_kwh is not None else gco2_per_kwh(zone) if zone else None
    if zone and intensity is None:
        hint = "give gco2_per_kwh, or a zone such as DE or US-CAL-CISO"
        findings.warn(wish.at_key("zone"), f"site {wish.id}: no carbon intensity is known for zone {zone!r}", hint)
    return Site(
        id=wish.id,
        tier=wish.tier,
        at=wish.at or (region.at if region else None),
        jurisdiction=wish.jurisdiction or (region.jurisdiction if region else ()),
        carrier=wish.carrier,
        zone=zone,
        gco2_per_kwh=intensity,
        rtt_ms=wish.rtt_ms,
        jitter_ms=wish.jitter_ms,
        loss=wish.loss,
        power_kw=wish.power_kw,
    )


def _check_site(wish: EndpointWish, sites: Mapping[str, Site], findings: Findings) -> None:
    if wish.site:
        findings.known(wish.at_key("site"), f"endpoint {wish.id}: site", wish.site, sites)
    else:
        findings.fault(wish.place, f"endpoint {wish.id} has no site", "only a provider's cloud needs none")


def _names(wish: EndpointWish) -> tuple[str, ...]:
    preset = preset_of(wish)
    more = () if preset is None else (preset.id, *preset.called("openrouter"))
    return tuple(dict.fromkeys((wish.id, wish.site, *more)))


def _retains(wish: EndpointWish, sites: Mapping[str, Site]) -> bool:
    site = sites.get(wish.site)
    return (site is None or site.tier == "provider") if wish.retains is None else wish.retains


def _default_origin(wish: EndpointWish, sites: Mapping[str, Site], findings: Findings) -> Origin:
    site = sites.get(wish.site)
    if wish.provider:
        return _HOME  # why the preset gives none was noted
    if site is not None and site.tier != "provider":
        findings.fault(
            wish.place, f"endpoint {wish.id} has no url", "only at a site of tier provider it may be left out"
        )
    return _HOME


def _speed(wish: EndpointWish, findings: Findings) -> Speed:
    engine = engines().get(wish.engine)
    if wish.engine and engine is None:
        hint = nearest(wish.engine, list(engines()))
        findings.warn(wish.at_key("engine"), f"endpoint {wish.id}: nothing is known of engine {wish.engine!r}", hint)
    said, believed = wish.speed, Speed()
    overhead_ms = _first(said.overhead_ms, engine.overhead_ms if engine else None, believed.overhead_s * 1_000)
    return Speed(
        prefill_tps=_first(said.prefill_tps, None, believed.prefill_tps),
        decode_tps=_first(said.decode_tps, None, believed.decode_tps),
        overhead_s=overhead_ms / 1_000,
        slots=said.slots or (engine.slots if engine else believed.slots),
    )


def _price(wish: EndpointWish, origin: Origin, speed: Speed, at: float) -> Price | None:
    said = wish.price
    if said is None:
        return price_of(list_price_at(wish, origin), wish.upstream_model or wish.model, at)
    return price_as_said(said, speed)


def _watts(wish: EndpointWish, findings: Findings) -> float | None:
    chips = wish.accelerator
    if wish.watts is not None or chips is None:
        return wish.watts
    known = accelerators().get(chips.type)
    if known is None:
        findings.known(chips.at_key("type"), f"endpoint {wish.id}: accelerator", chips.type, accelerators())
        return None
    return known.watts * chips.count


def _first(one: float | None, other: float | None, default: float) -> float:
    return one if one is not None else other if other is not None else default
