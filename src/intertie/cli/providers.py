"""`intertie providers`: the presets that an endpoint can name."""

from typing import Any

from intertie.catalog.providers import Preset, checked, presets
from intertie.cli.screen import Json, emit, out, show_table

_COLUMNS = ("provider", "name", "URL", "dialect", "key in the environment", "prices from")


def providers(*, json: Json = False) -> int:
    """The providers and engines that an endpoint's `provider` can name, and what each gives it.

    Parameters
    ----------
    json
        Print one JSON object: `checked` (when the table was), `providers`.
    """
    known = presets().values()
    if json:
        emit({"checked": checked(), "providers": [_told(preset) for preset in known]})
        return 0
    rows = [
        (preset.id, preset.name, preset.url, preset.dialect, " or ".join(preset.keys) or "-", preset.prices or "-")
        for preset in known
    ]
    show_table("Providers", _COLUMNS, rows)
    out().print(f"Checked on {checked()}; sources, quirks and jurisdictions with --json.", markup=False)
    return 0


def _told(preset: Preset) -> dict[str, Any]:
    return {
        "id": preset.id,
        "name": preset.name,
        "url": preset.url,
        "dialect": preset.dialect,
        "keys": preset.keys,
        "prices": preset.prices,
        "operations": preset.operations,
        "needs": preset.needs,
        "jurisdiction": preset.jurisdiction,
        "engine": preset.engine,
        "quirks": preset.quirks,
        "also_called": sorted({name for names in preset.names.values() for name in names} - {preset.id}),
        "source": preset.source,
    }
