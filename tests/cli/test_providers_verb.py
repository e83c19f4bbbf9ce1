from stand import Stand


def test_providers_are_listed_with_what_they_give(stand: Stand) -> None:
    said = stand.run("providers")
    assert said.code == 0
    assert "https://api.groq.com/openai/v1" in said.out
    assert "GROQ_API_KEY" in said.out


def test_providers_as_json(stand: Stand) -> None:
    told = stand.run("providers", "--json").told
    rows = {row["id"]: row for row in told["providers"]}
    assert told["checked"] == "2026-11-20"
    assert rows["mistral"]["quirks"]["random_seed"].startswith("https://")
    assert rows["moonshot"]["also_called"] == ["moonshotai"]
    assert rows["bedrock"]["needs"] == ["region"]
