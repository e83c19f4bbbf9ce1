"""A changed configuration in the real thing: taken up whole within two seconds, or refused with its reason."""

import asyncio
import json
import time
from pathlib import Path

from serving_world import OTHER_KEY, Answer, Config, Load, Serving, ask, chat, config, engines
from supervised import eventually

_TAKEN_UP_S = 2.0


async def _becomes(gateway: Serving, status: int, body: dict[str, object], key: str) -> Answer:
    """Until every worker answers so; the last of these answers. Fails if that takes longer than it may."""
    begun, answers = time.monotonic(), list[Answer]()

    async def all_do() -> bool:
        answers[:] = [await ask(gateway.data, body, key) for _ in range(6)]  # each connection falls to either worker
        return {answer.status for answer in answers} == {status}

    await eventually(all_do)
    assert time.monotonic() - begun < _TAKEN_UP_S
    return answers[-1]


async def _settled_cost(gateway: Serving, answer: Answer) -> int | None:
    async def settled() -> bool:
        rows = await gateway.ledger()
        return answer.id in rows and rows[answer.id].outcome == "served"

    await eventually(settled)
    return (await gateway.ledger())[answer.id].cost_nano


async def test_models_prices_and_keys_change_without_a_failed_request_and_a_broken_file_changes_nothing(
    tmp_path: Path,
) -> None:
    async with engines(tmp_path) as upstream:
        first = config(upstream)
        async with Serving(tmp_path, first) as gateway:
            await gateway.until("ready")
            await gateway.all_ready()
            assert await _settled_cost(gateway, await ask(gateway.data, chat(3), OTHER_KEY)) == 3 * 10**9
            async with Load(gateway.data, chat(3), every_s=0.02) as load:
                gateway.write(_changed(first))
                answer = await _becomes(gateway, 200, {**chat(3), "model": "fresh"}, "itk_dev")
                assert await _settled_cost(gateway, answer) == 6 * 10**9
                await _becomes(gateway, 401, chat(3), OTHER_KEY)
                gateway.write("sites: [{id: near, teir: edge}]")
                refused = await gateway.until("configuration_refused", within_s=_TAKEN_UP_S)
                assert "intertie.yaml:1: unknown key 'teir'" in str(refused["why"]) and "tier" in str(refused["why"])
                await asyncio.sleep(0.6)
                assert (await ask(gateway.data, {**chat(3), "model": "fresh"})).status == 200
                gateway.write(first)
                await _becomes(gateway, 200, chat(3), OTHER_KEY)
                await _becomes(gateway, 404, {**chat(3), "model": "fresh"}, OTHER_KEY)
                made = await gateway.command("keys", "create", "--name", "visitor", "--group", "devs", "--json")
                key = json.loads(made)
                await _becomes(gateway, 200, chat(), key["secret"])
                await gateway.command("keys", "revoke", key["id"])
                answer = await _becomes(gateway, 401, chat(), key["secret"])
                assert json.loads(answer.body)["error"]["code"] == "key_revoked"
            assert load.failed == [] and len(load.answers) > 50
            assert len(gateway.named("configuration_refused")) == 1 and gateway.named("child_died") == []
            assert await gateway.stop() == 0
            assert (await gateway.verdict()).sound


def _changed(first: Config) -> Config:
    """Twice the price, one endpoint under another public name as well, and one key less."""
    endpoints = [{**one, "price": {"input": 0, "output": 2_000_000}} for one in first["endpoints"]]
    endpoints.append({**endpoints[0], "id": "fresh", "model": "fresh", "upstream_model": "m"})
    return {**first, "endpoints": endpoints, "keys": first["keys"][:1]}
