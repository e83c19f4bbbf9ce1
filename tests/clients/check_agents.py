"""Coding agents without a screen: each completes a turn with a tool, which runs, and whose result it sends on."""

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from clients_table import Cell, Table
from clients_world import PLAYED, ClientsWorld
from scripted_model import FILE

QUESTION = f"What does {FILE} say?"
CASE = "turn with a tool"

pytestmark = pytest.mark.asyncio(loop_scope="session")
Prepared = tuple[list[str], dict[str, str]]
"""A command line and what else its environment says."""


def claude(folder: Path) -> Prepared:
    command = 'set -a; . ./claude.sh; exec claude -p "$0" --allowedTools Bash --strict-mcp-config'
    quiet = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1"}
    return ["sh", "-c", command, QUESTION], quiet


def codex(folder: Path) -> Prepared:
    home = folder / ".codex"
    home.mkdir()
    (folder / "config.toml").rename(home / "config.toml")
    alone = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
    for setting in ("analytics.enabled", "features.plugins", "features.remote_plugin", "features.apps"):
        alone += ["-c", f"{setting}=false"]
    return ["codex", "exec", *alone, QUESTION], {}


def opencode(folder: Path) -> Prepared:
    names = ("MODELS_FETCH", "AUTOUPDATE", "LSP_DOWNLOAD", "SHARE", "DEFAULT_PLUGINS")
    return ["opencode", "run", QUESTION], {f"OPENCODE_DISABLE_{name}": "1" for name in names} | {
        "npm_config_offline": "true"
    }


@pytest.mark.parametrize("endpoint", PLAYED)
@pytest.mark.parametrize("agent", [claude, codex, opencode])
async def test_an_agent_completes_a_turn_with_a_tool(
    agent: Callable[[Path], Prepared], endpoint: str, clients: ClientsWorld, table: Table, tmp_path: Path
) -> None:
    name, speaks = agent.__name__, {"claude": "messages", "codex": "responses", "opencode": "chat"}[agent.__name__]
    if reason := await clients.why_not(name, tmp_path):
        table.cells.append(Cell(name, speaks, endpoint, CASE, "not run here", reason))
        return
    model, secret = f"scripted-{endpoint}", secrets.token_hex(8)
    told = clients.model.said[model]
    begun = len(told)
    clients.pages(tmp_path, MODEL=model)
    (tmp_path / FILE).write_text(secret)
    command, more = agent(tmp_path)
    ran = await clients.run(*command, within=tmp_path, MODEL=model, **more)
    whole = ran.code == 0 and secret in ran.out and not ran.abroad
    table.cells.append(
        Cell(name, speaks, endpoint, CASE, "passed" if whole else "failed", "" if whole else ran.out[-600:])
    )
    assert whole, (ran.abroad, ran.out)
    said = told[begun:]
    assert sum(bool(one.tool) for one in said) == 1 and any(secret in one.text for one in said)
    rows = await clients.booked(model, len(told))
    assert sorted((row.prompt, row.completion) for row in rows) == sorted((one.prompt, one.completion) for one in told)
    assert all(row.cost_nano == row.prompt * 1_000 + row.completion * 2_000 for row in rows)
