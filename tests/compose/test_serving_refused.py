"""What keeps the real thing from starting is told in plain words, once, and waited for where waiting can help."""

import os
from pathlib import Path

from serving_world import Serving, ask, config, engines

from intertie.compose.serving import control_socket_of


async def test_a_certificate_that_is_not_there_ends_the_start(tmp_path: Path) -> None:
    flags = ("--tls-cert", "nowhere.pem", "--tls-key", "nowhere.pem")
    async with engines(tmp_path) as upstream, Serving(tmp_path, config(upstream), *flags) as gateway:
        assert await gateway.ended() == os.EX_CONFIG
    assert "nowhere.pem" in str(gateway.named("cannot_start")[0]["why"]) and gateway.named("text") == []


async def test_a_link_where_the_control_process_would_listen_ends_the_start(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder = control_socket_of(tmp_path / "state").parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.symlink_to(elsewhere)
    async with engines(tmp_path) as upstream, Serving(tmp_path, config(upstream)) as gateway:
        assert await gateway.ended() == os.EX_CONFIG
    folder.unlink()
    assert "our own" in str(gateway.named("cannot_start")[0]["why"]) and list(elsewhere.iterdir()) == []


async def test_a_database_that_is_away_at_the_start_is_waited_for(tmp_path: Path) -> None:
    in_the_way = tmp_path / "books"
    in_the_way.write_text("not a folder")
    database = f"sqlite:///{in_the_way}/intertie.db"
    async with engines(tmp_path) as upstream, Serving(tmp_path, config(upstream), database=database) as gateway:
        refused = await gateway.until("cannot_start")
        assert "the database does not answer" in str(refused["why"]) and not await gateway.is_ready()
        in_the_way.unlink()
        await gateway.until("ready")
        assert (await ask(gateway.data)).status == 200
        assert await gateway.stop() == 0
    assert gateway.named("text") == [], "no traceback"
