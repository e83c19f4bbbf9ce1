"""A budget on a model holds whichever name a caller takes to reach it."""

from pathlib import Path

import pytest
from openai import RateLimitError
from scripted import completion, says, scripted
from world import endpoint, gateway, snapshot

from intertie.config.snapshot import Route
from intertie.core.principal import Meter

ASK = [{"role": "user", "content": "hi"}]


async def test_a_route_is_no_way_around_the_budget_of_a_model(tmp_path: Path) -> None:
    meters = [Meter("dear", "usd", 1, "model dear", model="dear"), Meter("cheap", "usd", 10**12, "model m", model="m")]
    async with scripted(says(200, completion())) as upstream:
        places = [endpoint("a", upstream.port, model="dear", upstream_model="dear")]
        whole = snapshot(places, meters, routes={"auto": Route("auto", ("dear",))})
        async with gateway(tmp_path, whole) as world, world.sdk() as client:
            for name in ("dear", "auto"):
                with pytest.raises(RateLimitError, match="model dear"):
                    await client.chat.completions.create(model=name, messages=ASK, max_tokens=5)


async def test_only_the_model_that_served_is_charged(tmp_path: Path) -> None:
    meters = [Meter(name, "usd", 10**12, f"model {name}", model=name) for name in ("one", "two")]
    async with scripted(says(200, completion())) as upstream:
        places = [endpoint(name, upstream.port, model=name, upstream_model=name) for name in ("one", "two")]
        whole = snapshot(places, meters, routes={"auto": Route("auto", ("one", "two"))})
        async with gateway(tmp_path, whole) as world, world.sdk() as client:
            await client.chat.completions.create(model="auto", messages=ASK, max_tokens=5)
            row = await world.ended()
            assert [charge.account for charge in row.charges] == [f"{row.endpoint}@total"]
            assert row.charges[0].amount == row.cost_nano
