"""Facts: every data file says where its figures come from and when somebody looked."""

from datetime import date
from importlib.resources import files

import msgspec
import pytest

from intertie.catalog.accelerators import accelerators
from intertie.catalog.carbon import gco2_per_kwh, zones
from intertie.catalog.engines import engines
from intertie.catalog.regions import regions

DATA = sorted(path.name for path in files("intertie.catalog").joinpath("data").iterdir() if path.name.endswith(".yaml"))


@pytest.mark.parametrize("name", [name for name in DATA if name != "demo_world.yaml"])
def test_every_row_of_every_file_has_a_source_and_a_date(name: str) -> None:
    table = msgspec.yaml.decode(files("intertie.catalog").joinpath("data", name).read_bytes())
    assert isinstance(table["checked"], date)
    assert date(2026, 1, 1) <= table["checked"] <= date(2030, 1, 1)
    assert table.get("source") or all(row["source"] for row in table["rows"])


def test_the_demo_world_says_where_its_figures_come_from() -> None:
    text = files("intertie.catalog").joinpath("data", "demo_world.yaml").read_text()
    assert "Checked 2026-" in text
    assert "https://" in text


def test_every_region_stands_on_earth_on_a_grid_with_a_known_intensity() -> None:
    assert len(regions()) == 76
    for region in regions().values():
        assert -90 <= region.at[0] <= 90
        assert -180 <= region.at[1] <= 180
        assert region.zone in zones()
        assert region.jurisdiction
    assert regions()["aws:eu-central-1"].jurisdiction == ("EU", "DE")
    assert regions()["azure:norwayeast"].jurisdiction == ("NO",)


def test_carbon_intensities_are_plausible_and_fall_back_to_the_country() -> None:
    assert all(10 <= (gco2_per_kwh(zone) or 0) <= 1_000 for zone in zones())
    assert gco2_per_kwh("NO") == 30
    assert gco2_per_kwh("SE-SE3") == 20
    assert gco2_per_kwh("DE-NOWHERE") == gco2_per_kwh("DE")
    assert gco2_per_kwh("XX") is None


def test_accelerators_and_engines_are_plausible() -> None:
    assert {"h100", "h200", "b200", "l40s", "a100", "rtx-pro-6000"} <= accelerators().keys()
    assert all(50 <= chip.watts <= 1_500 and 16 <= chip.memory_gb <= 300 for chip in accelerators().values())
    assert {"vllm", "sglang", "llama.cpp", "tgi", "ollama"} <= engines().keys()
    assert all(engine.slots >= 1 and engine.overhead_ms >= 0 for engine in engines().values())
