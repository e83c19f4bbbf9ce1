"""What a request asks of the engine, whatever the dialect it came in."""

from typing import Literal, TypeAlias

import msgspec

from intertie.sim.engine.schema import Schema


class Tool(msgspec.Struct, frozen=True):
    """A function that the model may call."""

    name: str
    parameters: Schema | None = None


class GenerationRequest(msgspec.Struct, frozen=True):
    """One request for text. `prompts` are rendered, `choices` answers are wanted for each.

    `exact_tokens` is a length that was asked for, `max_tokens` a limit; `schema` constrains the answer; `tools` are
    those to be called, in this order. `logprobs` is None, or how many alternatives are told per token. `thoughts` is
    how many tokens of reasoning come first; `images` how many pictures were seen; `spoken` what the last user said.
    `marked` is how many bytes of the prompt may be kept in a cache (for an hour where `lasting`), None where the engine
    keeps what it likes. `field` is where the prompt stands, for errors; `tier` the service tier it is served in.
    """

    operation: Literal["chat", "completions"]
    model: str
    prompts: tuple[bytes, ...]
    stream: bool = False
    choices: int = 1
    max_tokens: int | None = None
    exact_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    schema: Schema | None = None
    tools: tuple[Tool, ...] = ()
    logprobs: int | None = None
    thoughts: int = 0
    images: int = 0
    spoken: str = ""
    marked: int | None = None
    lasting: bool = False
    field: str = "messages"
    tier: str = ""


class Pieces(msgspec.Struct, frozen=True):
    """What is sold beside the tokens of the prompt."""

    output_tokens: int = 0
    images: int = 0
    audio_ms: int = 0
    characters: int = 0
    searches: int = 0


class PrefillRequest(msgspec.Struct, frozen=True):
    """One request whose inputs are only read: embeddings, ranks, and all that is no text in the end."""

    model: str
    inputs: tuple[bytes, ...]
    spoken: str = ""
    field: str = "input"
    pieces: Pieces = Pieces()
    stream: bool = False


EngineRequest: TypeAlias = GenerationRequest | PrefillRequest


class ToolChoice(msgspec.Struct, frozen=True):
    """Whether tools are to be called, and which of them only; `parallel` False: one at most."""

    mode: Literal["auto", "none", "required"] = "auto"
    only: tuple[str, ...] = ()
    parallel: bool = True


def tools_to_call(tools: list[Tool], choice: ToolChoice, spoken: str) -> tuple[Tool, ...]:
    """Which tools the model calls: those the last user speaks of; where it must call some, else the first."""
    allowed = [tool for tool in tools if not choice.only or tool.name in choice.only]
    if choice.mode == "none":
        return ()
    spoken_of = [tool for tool in allowed if tool.name in spoken]
    if choice.mode == "required":
        spoken_of = spoken_of or allowed[:1]
    return tuple(spoken_of if choice.parallel else spoken_of[:1])
