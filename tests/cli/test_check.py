import json
from pathlib import Path

import pytest

from intertie.cli.check import check

WORLD = Path(__file__).parents[2] / "src/intertie/catalog/data/demo_world.yaml"
EXAMPLE = Path(__file__).parents[2] / "deploy/intertie.example.yaml"


def test_every_problem_is_printed_with_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "intertie.yaml"
    file.write_text("sites:\n- {id: a, teir: edge}\ngateway: {port: x}\n")
    assert check(file) == 1
    shown = capsys.readouterr()
    assert f"{file}:2: unknown key 'teir' in sites[0] (did you mean tier?)" in shown.out
    assert f"{file}:3: gateway.port: expected a port from 0 to 65535, found 'x'" in shown.out
    assert "2 problems" in shown.err


def test_problems_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "intertie.yaml"
    file.write_text("routes:\n- {name: r, candidates: [m]}\n")
    assert check(file, json=True) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["valid"] is False
    assert report["problems"] == [
        {"file": str(file), "line": 2, "problem": "route r: model 'm' does not exist", "hint": ""}
    ]


def test_a_valid_file_is_summed_up(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("FRA", "STO", "PAR", "IAD", "PDX", "SIN", "IAD_70B", "PDX_70B", "SIN_70B"):
        monkeypatch.setenv(f"SIM_{name}", "9000")
    assert check(WORLD) == 0
    shown = capsys.readouterr().out
    assert "is valid: sites 6, endpoints 9, keys 0, models 2, routes 2, budgets and limits 8" in shown
    assert "qwen-fra" in shown
    assert "(simulated)" in shown
    assert check(WORLD, json=True) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["valid"]
    assert report["summary"]["routes"] == ["chat", "smart"]
    assert len(report["summary"]["models"]["llama-3.3-70b"]) == 3


def test_the_example_is_valid(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-example")
    monkeypatch.setenv("DEV_KEY", "example")
    assert check(EXAMPLE) == 0
    assert "is valid" in capsys.readouterr().out


def test_warnings_are_shown_and_do_not_make_a_file_invalid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "intertie.yaml"
    file.write_text("models: [{name: idle}]\n")
    assert check(file) == 0
    assert f"warning: {file}:1: no endpoint serves model 'idle'" in capsys.readouterr().out


def test_a_missing_file_is_a_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(tmp_path / "no.yaml") == 1
    assert "cannot be read" in capsys.readouterr().out
