"""SDKs and what is built on them, for Python and Node: every case of every program, set up as the page shows."""

import shutil
from pathlib import Path

import pytest
from clients_table import Table
from clients_world import INSTALLED, NODE, ClientsWorld, Ran
from stage import MODELS

PROGRAMS = Path(__file__).parent / "programs"
LONG_S = 600
CURRENT = (
    "client_openai_chat", "client_openai_responses", "client_anthropic", "client_google", "client_langchain",
    "client_pydantic_ai",
)  # fmt: skip
EARLIER = ("client_litellm", "client_instructor")

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(LONG_S + 60)]


def laid_out(clients: ClientsWorld, folder: Path) -> None:
    clients.pages(folder)
    for program in PROGRAMS.iterdir():
        if program.is_file():
            shutil.copy(program, folder)


def judge(ran: Ran, table: Table, report: Path) -> None:
    assert report.exists(), ran.out
    bad = table.read(report)
    assert not [cell for cell in bad if cell.outcome == "failed"], ran.out
    assert not ran.abroad
    assert ran.code == 0 or bad, ran.out


@pytest.mark.parametrize(("environment", "programs"), [("current", CURRENT), ("earlier", EARLIER)])
async def test_python_clients_are_content(
    environment: str, programs: tuple[str, ...], clients: ClientsWorld, table: Table, tmp_path: Path
) -> None:
    laid_out(clients, tmp_path)
    python = INSTALLED / environment / "bin" / "python"
    command = [str(python), "-m", "pytest", "--junit-xml=report.xml", *(f"{name}.py" for name in programs)]
    ran = await clients.run(*command, within=tmp_path, limit_s=LONG_S)
    judge(ran, table, tmp_path / "report.xml")


async def test_node_clients_are_content(clients: ClientsWorld, table: Table, tmp_path: Path) -> None:
    laid_out(clients, tmp_path)
    (tmp_path / "node_modules").symlink_to(NODE)
    report = ["--test-reporter=junit", "--test-reporter-destination=report.xml", "--test-concurrency=1"]
    files = ["client_openai_node.mjs", "client_anthropic_node.mjs"]
    ran = await clients.run("node", "--test", *report, *files, within=tmp_path, MODELS=" ".join(MODELS))
    judge(ran, table, tmp_path / "report.xml")


async def test_the_books_say_what_the_engine_did_for_all_of_them(clients: ClientsWorld) -> None:
    """Run last: whoever was answered in full is booked with the engine's own count; whoever left, with an outcome."""
    did = {name: entry for name, entry in clients.did().items() if entry.status == 200 and entry.aborted_at is None}
    rows = await clients.serving.closed(len(did))
    assert did
    for name, entry in did.items():
        assert (rows[name].prompt, rows[name].cached) == (entry.prompt_tokens, entry.cached_tokens), (rows[name], entry)
        assert rows[name].completion == entry.completion_tokens, (rows[name], entry)
