"""A chat in the words that all dialects share: what a translation reads from one dialect and writes in another.

Equal dialects never come here: their bytes pass through. What only one dialect can say has a place of its own
(`Hosted`, `extras`), so that a translation names it instead of losing it.

    Chat ─ turns ─ Turn ─ parts ─ Text | Image | Audio | Document | ToolCall | ToolResult | Reasoning | Refusal
         ─ tools ─ Tool | Hosted
    Answer ─ choices ─ Choice ─ parts
"""

from typing import Literal, TypeAlias

import msgspec

from intertie.core.endpoint import Dialect
from intertie.core.usage import NOTHING, Usage

Role: TypeAlias = Literal["system", "developer", "user", "assistant"]

StopReason: TypeAlias = Literal["end", "length", "tool", "sequence", "filter", "pause", "other"]
"""end: said all · length: the limit of output · tool: wants a tool's result · sequence: a stop text came · filter:
refused or withheld for safety · pause: the endpoint wants to be asked on · other: named in `Choice.stop_name` alone."""

Mark: TypeAlias = Literal["", "5m", "1h"]
"""A caching mark: what comes before and with this part may be kept for that long; "" where there is none."""


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes by value (`data`, base64 as it came), by reference (`url`) or kept at a provider (`file`): exactly one.

    `type` is the media type (`image/png`), "" where only the endpoint can know it.
    """

    type: str = ""
    data: str = ""
    url: str = ""
    file: str = ""


class Citation(msgspec.Struct, frozen=True, kw_only=True):
    """What a text rests on. `start` and `end` are characters of the text that cites, -1 where not told."""

    url: str = ""
    title: str = ""
    quote: str = ""
    start: int = -1
    end: int = -1


class Text(msgspec.Struct, frozen=True, tag="text"):
    """Plain words."""

    text: str
    mark: Mark = ""
    citations: tuple[Citation, ...] = ()


class Image(msgspec.Struct, frozen=True, tag="image"):
    """A picture; `detail` is how closely to look at it (low, high, auto, original), "" for the endpoint's way."""

    media: Media
    detail: str = ""
    mark: Mark = ""


class Audio(msgspec.Struct, frozen=True, tag="audio"):
    """Sound; `transcript` its words where known, `id` names an earlier answer's sound instead of bytes."""

    media: Media
    transcript: str = ""
    id: str = ""
    mark: Mark = ""


class Document(msgspec.Struct, frozen=True, tag="document"):
    """A file to be read (PDF, text); `cite` asks for citations of it."""

    media: Media
    title: str = ""
    context: str = ""
    cite: bool = False
    mark: Mark = ""


class ToolCall(msgspec.Struct, frozen=True, tag="tool_call"):
    """The model wants a tool run. `arguments` is JSON text as the model wrote it, or free text of a `free` tool."""

    id: str
    name: str
    arguments: str
    free: bool = False
    mark: Mark = ""
    signature: str = ""


class ToolResult(msgspec.Struct, frozen=True, tag="tool_result"):
    """What a tool gave back; `call` is the id of the call, `name` the tool's where the dialect tells it."""

    call: str
    parts: tuple["Text | Image | Audio | Document", ...]
    failed: bool = False
    name: str = ""
    mark: Mark = ""


class Reasoning(msgspec.Struct, frozen=True, tag="reasoning"):
    """How the model thought. `signature` and `sealed` (encrypted or redacted) go back byte by byte or not at all.

    `origin` is the dialect that signed: nobody else can read it. `summary` tells that `text` is a summary of thoughts.
    """

    text: str = ""
    signature: str = ""
    sealed: str = ""
    id: str = ""
    summary: bool = False
    origin: Dialect | None = None


class Refusal(msgspec.Struct, frozen=True, tag="refusal"):
    """The model declines, in its own words."""

    text: str


Part: TypeAlias = Text | Image | Audio | Document | ToolCall | ToolResult | Reasoning | Refusal


class Turn(msgspec.Struct, frozen=True):
    """What one side said. Tool results are parts of a user's turn. `name` tells speakers of one role apart."""

    role: Role
    parts: tuple[Part, ...]
    name: str = ""


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that the caller runs: `schema` is the JSON schema of its arguments, None if it takes none.

    `free` tools take free text instead of JSON; `grammar` then says which: a JSON object of `type` ("grammar"),
    `syntax` and `definition`.
    """

    name: str
    description: str = ""
    schema: msgspec.Raw | None = None
    strict: bool | None = None
    free: bool = False
    grammar: msgspec.Raw | None = None
    mark: Mark = ""


class Hosted(msgspec.Struct, frozen=True):
    """A tool that the endpoint runs itself (web search, code): `kind` as its dialect calls it, `raw` as it came."""

    origin: Dialect
    kind: str
    raw: msgspec.Raw


class ToolChoice(msgspec.Struct, frozen=True):
    """Whether tools are to be called: as the model likes, never, at least one, or one of `names`."""

    mode: Literal["auto", "none", "required", "named"] = "auto"
    names: tuple[str, ...] = ()


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """The form of the answer: free text, any JSON, or JSON of a schema."""

    kind: Literal["text", "json", "schema"] = "text"
    name: str = ""
    description: str = ""
    schema: msgspec.Raw | None = None
    strict: bool | None = None


class Thinking(msgspec.Struct, frozen=True, kw_only=True):
    """How much the model is to reason. None and "" leave it to the endpoint.

    `on` switches it on or off; `effort` is none, minimal, low, medium, high, xhigh or max; `budget` its most tokens;
    `adaptive` lets the model decide; `summary` and `visible` say how much of it is shown.
    """

    on: bool | None = None
    effort: str = ""
    budget: int | None = None
    adaptive: bool = False
    summary: str = ""
    visible: bool | None = None


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """How tokens are drawn; None where the endpoint's own way is wanted."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: msgspec.Raw | None = None
    logprobs: bool = False
    top_logprobs: int | None = None


class Chat(msgspec.Struct, frozen=True, kw_only=True):
    """One request for an answer. `model` is the public name; the endpoint's own is put in when it is written.

    `extras` are top-level fields that have no place here, as they came: no other dialect can say them. `spelling` maps
    the words of this module to the caller's own where they differ (`max_output`: `max_tokens`), for errors.
    `max_output` None: the caller named no limit. `state` is the id of an earlier answer kept by a provider.
    """

    model: str
    turns: tuple[Turn, ...]
    origin: Dialect
    tools: tuple[Tool | Hosted, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    form: Form | None = None
    thinking: Thinking | None = None
    sampling: Sampling = Sampling()
    max_output: int | None = None
    choices: int = 1
    stream: bool = False
    tier: str = ""
    user: str = ""
    cache_key: str = ""
    metadata: dict[str, str] | None = None
    store: bool | None = None
    verbosity: str = ""
    modalities: tuple[str, ...] = ()
    voice: msgspec.Raw | None = None
    state: str = ""
    extras: dict[str, msgspec.Raw] = {}
    spelling: dict[str, str] = {}

    def spelled(self, field: str) -> str:
        """A field of this module in the caller's own words."""
        return self.spelling.get(field, field)


class TokenChance(msgspec.Struct, frozen=True):
    """A token and the natural logarithm of its probability; `others` are the likeliest in its place."""

    token: str
    logprob: float
    bytes: tuple[int, ...] | None = None
    others: tuple["TokenChance", ...] = ()


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of those asked for. `stop_text` is the stop sequence that came, where it is told."""

    parts: tuple[Part, ...]
    stop: StopReason = "end"
    stop_text: str = ""
    stop_name: str = ""
    chances: tuple[TokenChance, ...] = ()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer. `created` in seconds since 1970, 0 where not told; `tier` the service tier really used."""

    id: str
    model: str
    choices: tuple[Choice, ...]
    usage: Usage | None = NOTHING
    created: int = 0
    tier: str = ""
    fingerprint: str = ""
