"""What a preset gives to an endpoint that names one: all that its entry leaves out."""

from collections.abc import Mapping

import msgspec

from intertie.catalog.providers import Preset, presets
from intertie.config.forms import ORIGIN
from intertie.config.wishes import EndpointWish
from intertie.control.findings import Findings
from intertie.core.endpoint import Origin
from intertie.core.site import Site


def preset_of(wish: EndpointWish) -> Preset | None:
    """The preset that an endpoint names; None if it names none, or none that exists."""
    return presets().get(wish.provider)


def filled(wish: EndpointWish, environ: Mapping[str, str], findings: Findings) -> EndpointWish:
    """The endpoint with what its preset gives. `environ` is where the provider's key is looked for.

    Noted as faults: a preset that does not exist, a region, project or part of the URL that only the customer knows,
    and a key that is neither given nor in the environment.
    """
    if not wish.provider:
        return wish
    preset = preset_of(wish)
    if preset is None:
        findings.known(wish.at_key("provider"), f"endpoint {wish.id}: provider", wish.provider, presets())
        return wish
    _check_place(wish, preset, findings)
    return msgspec.structs.replace(
        wish,
        site=wish.site or (preset.id if preset.cloud else ""),
        url=wish.url or _url(wish, preset, findings),
        dialect=wish.dialect or preset.dialect,
        credential=wish.credential or ("" if wish.credentials else _key(wish, preset, environ, findings)),
        operations=preset.operations if wish.operations is None else wish.operations,
        engine=wish.engine or preset.engine,
        quirks=tuple(preset.quirks) if wish.quirks is None else wish.quirks,
    )


def site_of(preset: Preset) -> Site:
    """The site of a provider that the configuration does not place: nothing is promised beyond what the preset says."""
    return Site(id=preset.id, tier="provider", jurisdiction=preset.jurisdiction)


def list_price_at(wish: EndpointWish, origin: Origin) -> str:
    """The URL by which the list price is looked up: the provider's own, even where it is reached another way."""
    preset = preset_of(wish)
    if preset is not None and preset.cloud and not preset.own_word:
        return preset.url_in(wish.region, wish.project)
    return f"{origin.scheme}://{origin.authority}{origin.path}"


def _check_place(wish: EndpointWish, preset: Preset, findings: Findings) -> None:
    for name in preset.needs:
        if not getattr(wish, name):
            findings.fault(wish.place, f"endpoint {wish.id} has no {name}", f"{preset.name} has several")


def _url(wish: EndpointWish, preset: Preset, findings: Findings) -> Origin | None:
    if preset.own_word:
        hint = f"as {preset.url}, with your own {preset.own_word}"
        findings.fault(wish.place, f"endpoint {wish.id} has no url", hint)
        return None
    url = preset.url_in(wish.region or "region", wish.project)
    try:
        found = ORIGIN.parse(url)
    except ValueError:
        findings.fault(wish.at_key("region"), f"endpoint {wish.id}: there can be no region {wish.region!r}")
        return None
    return found if isinstance(found, Origin) else None


def _key(wish: EndpointWish, preset: Preset, environ: Mapping[str, str], findings: Findings) -> str:
    for names in preset.keys:
        values = [environ.get(name, "") for name in names.split(":")]
        if all(values):
            return ":".join(values)
    if preset.keys:
        problem = f"endpoint {wish.id}: the environment has no {' or '.join(preset.keys)}"
        findings.fault(wish.at_key("provider"), problem, "set it, or give the endpoint a credential")
    return ""
