import json
import stat

from stand import Stand

LITELLM = """
model_list:
- model_name: small
  litellm_params: {model: openai/gpt-4o-mini, api_key: os.environ/OPENAI_API_KEY, weight: 2}
general_settings: {master_key: sk-1234}
"""


def test_a_file_is_written_that_check_finds_valid(stand: Stand) -> None:
    (stand.folder / "config.yaml").write_text(LITELLM)
    said = stand.run("import", "litellm", "config.yaml", "--output", "made.yaml")
    assert (said.code, said.out) == (0, "")
    assert "config.yaml:4: model_list[0].litellm_params.weight:" in said.err
    made = stand.folder / "made.yaml"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert "weight" in made.read_text().partition("endpoints:")[0]
    missing = stand.run("check", "made.yaml")
    assert missing.code == 1
    assert "OPENAI_API_KEY" in missing.out


def test_a_file_that_exists_is_left_alone(stand: Stand) -> None:
    (stand.folder / "config.yaml").write_text(LITELLM)
    said = stand.run("import", "litellm", "config.yaml", "--output", "intertie.yaml")
    assert said.code == 2
    assert "intertie.yaml exists" in said.err


def test_without_an_output_the_file_is_shown_and_what_is_left_told_apart(stand: Stand) -> None:
    (stand.folder / "config.yaml").write_text(LITELLM)
    said = stand.run("import", "litellm", "config.yaml")
    assert "endpoints:\n  - {id: small.openai, model: small," in said.out
    assert "weight" in said.err
    told = stand.run("import", "litellm", "config.yaml", "--json").told
    assert told["text"] == said.out
    assert {left["where"] for left in told["left"]} >= {"model_list[0].litellm_params.weight"}
    assert {left["line"] for left in told["left"]} >= {4}


def test_a_config_object_is_read_with_what_portkey_keeps(stand: Stand) -> None:
    config = {"strategy": {"mode": "fallback"}, "targets": [{"virtual_key": "prod"}, {"provider": "groq"}]}
    (stand.folder / "chat.json").write_text(json.dumps(config))
    assert stand.run("import", "portkey", "chat.json").code == 2
    wrong = stand.run("import", "portkey", "chat.json", "--model", "m", "--provider", "prod=opnai")
    assert wrong.code == 2
    assert "openai" in wrong.err
    said = stand.run("import", "portkey", "chat.json", "--model", "m", "--provider", "prod=openai", "--name", "talk")
    assert said.code == 0
    assert "{name: talk, candidates: [talk/1], fallback: [talk/2]}" in said.out


def test_a_file_that_cannot_be_read_is_named(stand: Stand) -> None:
    said = stand.run("import", "litellm", "nowhere.yaml")
    assert said.code == 2
    assert "nowhere.yaml cannot be read" in said.err
    (stand.folder / "bad.yaml").write_text("a: [\n")
    assert stand.run("import", "litellm", "bad.yaml").code == 1
