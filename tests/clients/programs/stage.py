"""What the programs of all clients ask for. The model's name is that of the dialect its endpoint speaks."""

import pytest

MODELS = ("openai_chat", "openai_responses", "anthropic_messages", "gemini", "bedrock")
QUESTION = "Tell me about the sea."
CALL = "What is the weather in Lisbon? Use get_weather."
CALLS = "What are weather and time in Lisbon? Use get_weather and get_time."
NAMES = ["get_weather", "get_time"]
PLACE = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
CITY = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "population": {"type": "integer"}},
    "required": ["name", "population"],
    "additionalProperties": False,
}

each_model = pytest.mark.parametrize("model", MODELS)
