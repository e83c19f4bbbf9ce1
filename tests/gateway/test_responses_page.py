"""The page on kept responses is run: what it shows works as it stands."""

import asyncio
import re
from pathlib import Path
from typing import Any

from openai import OpenAI
from scripted import scripted
from speaking import speaks
from world import KEY, endpoint, gateway, snapshot

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "responses.md"


def run(code: str, seen: dict[str, Any]) -> None:
    try:
        exec(code, seen)
    finally:
        client: OpenAI = seen["client"]
        client.close()


async def test_what_the_page_shows_works(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    async with scripted(speaks()) as upstream:
        one = endpoint("a", upstream.port, model="assistant")
        async with gateway(tmp_path, snapshot([one])) as world:
            code = "\n".join(blocks).replace("http://127.0.0.1:4000", world.url).replace("itk_…", KEY)
            seen: dict[str, Any] = {}
            await asyncio.to_thread(run, code.replace("time.sleep(2)", "time.sleep(0.01)"), seen)
    assert (seen["first"].output_text, seen["then"].output_text) == ("1 said", "3 said")
    assert (seen["made"].status, seen["made"].output_text) == ("completed", "1 said")
