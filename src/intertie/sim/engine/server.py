"""The engine's HTTP face: OpenAI's paths, vLLM's health and metrics, and a control path for faults.

One request: it travels (`path`), is understood (`requests`), perhaps struck by a fault, becomes sequences (`answers`)
that the batch computes, and is journalled with what was truly done, however it ended.
"""

import asyncio
import hmac
import random
from collections.abc import Callable
from urllib.parse import unquote

import msgspec

from intertie.core.clock import Clock
from intertie.core.faults import Fault, InvalidRequest, MethodNotAllowed, NotFound, Unauthenticated
from intertie.dialects.json_body import refuse
from intertie.dialects.openai_chat.faults import error_body
from intertie.sim.engine.answers import Answer, EmbeddingAnswer, Generation, StreamAnswer, TextAnswer
from intertie.sim.engine.batching import ContinuousBatch
from intertie.sim.engine.blocks import BLOCK_TOKENS
from intertie.sim.engine.delivery import Delivery
from intertie.sim.engine.faults import EngineFault, FaultSchedule, parse_fault
from intertie.sim.engine.forms import AnswerForm, model_card, model_list
from intertie.sim.engine.journal import EngineJournal, Entry
from intertie.sim.engine.metrics import CONTENT_TYPE, EngineMetrics
from intertie.sim.engine.options import EngineOptions
from intertie.sim.engine.path import Path
from intertie.sim.engine.pump import Pump
from intertie.sim.engine.requests import (
    EmbeddingRequest,
    GenerationRequest,
    parse_chat,
    parse_completion,
    parse_embedding,
)
from intertie.sim.engine.text import token_count
from intertie.wire.reply import Rendered, Reply, Request

SERVER_LINE = b"server: intertie-simulated-engine\r\n"

_HEALTH, _METRICS, _MODELS, _FAULTS = b"/health", b"/metrics", b"/v1/models", b"/sim/faults"
_Parsed = GenerationRequest | EmbeddingRequest
_PARSERS: dict[bytes, tuple[str, Callable[[bytes], _Parsed]]] = {
    b"/v1/chat/completions": ("chatcmpl", parse_chat),
    b"/v1/completions": ("cmpl", parse_completion),
    b"/v1/embeddings": ("embd", parse_embedding),
}
_READ = ("GET", "HEAD")
_PATHS = {_HEALTH: _READ, _METRICS: _READ, _MODELS: _READ, _FAULTS: (*_READ, "POST")} | dict.fromkeys(
    _PARSERS, ("POST",)
)


class _FaultOrders(msgspec.Struct):
    """The body of `POST /sim/faults`: what strikes from now on."""

    faults: list[str]


class SimulatedEngine:
    """One engine, as an application of `wire.server`."""

    def __init__(self, options: EngineOptions, clock: Clock) -> None:
        self._options, self._clock = options, clock
        self._context = min(options.context, options.speed.kv_blocks * BLOCK_TOKENS)
        self._created = int(clock.wall())
        self._life, self._count = int(clock.wall() * 1e6), 0  # make an answer's id: unique over engines and restarts
        lots = random.Random(options.seed)
        self._path = Path(options.rtt_ms / 1000, options.jitter_ms / 1000, random.Random(lots.random()), clock)
        self._faults = FaultSchedule(options.faults(), random.Random(lots.random()))
        self.batch = ContinuousBatch[Generation](options.speed)
        self._pump = Pump(self.batch, clock, self._gained)
        self._metrics = EngineMetrics(options.model[0], self.batch)
        self._journal = EngineJournal(options.journal)

    def screen(self, request: Request) -> Rendered | None:
        """Every head is welcome; the key is checked with the whole request."""
        return None

    def render(self, fault: Fault) -> Rendered:
        """A fault in OpenAI's shape."""
        return fault.status, b"content-type: application/json\r\n" + SERVER_LINE, error_body(fault)

    def close(self) -> None:
        """Stop; what is under way is not answered any more."""
        self._pump.close()
        self._path.close()
        self._journal.close()

    async def __call__(self, request: Request, reply: Reply) -> None:
        """Answer one request; cancelled when the caller leaves."""
        if self._path.is_long:
            await asyncio.sleep(self._path.inbound(reply.connection))
        if request.path in _PARSERS and request.method == "POST":
            await self._infer(request, reply)
        else:
            delivery = Delivery(reply, self._path, self._clock, SERVER_LINE)
            try:
                self._tell(request, delivery)
            except Fault as fault:
                delivery.send(fault.status, error_body(fault))
            await delivery.over

    def _tell(self, request: Request, delivery: Delivery) -> None:
        """Everything that is not inference."""
        path = request.path
        if path not in _PATHS and not path.startswith(_MODELS + b"/"):
            raise NotFound(f"no such path: {path.decode(errors='replace')}")
        if request.method not in _PATHS.get(path, _READ):
            raise MethodNotAllowed(f"{request.method} is not allowed on {path.decode(errors='replace')}")
        if path == _HEALTH:
            delivery.send(200, b"", b"text/plain")
        elif path == _METRICS:
            delivery.send(200, self._metrics.text(), CONTENT_TYPE)
        elif path == _FAULTS:
            self._control(request, delivery)
        else:
            self._authenticate(request)
            delivery.send(200, self._models(unquote(path[len(_MODELS) + 1 :])))

    def _models(self, name: str) -> bytes:
        if not name:
            return model_list(self._options.model, self._created, self._context)
        self._check_model(name)
        return msgspec.json.encode(model_card(name, self._created, self._context))

    def _control(self, request: Request, delivery: Delivery) -> None:
        if not self._options.allow_faults:
            raise NotFound("faults are not allowed on this engine (--allow-faults)")
        if request.method == "POST":
            try:
                orders = msgspec.json.decode(request.body, type=_FaultOrders)
            except msgspec.DecodeError as error:
                refuse(error)
            self._faults.rules = [_understood(text) for text in orders.faults]
        delivery.send(200, msgspec.json.encode({"faults": self._faults.rules}))

    async def _infer(self, request: Request, reply: Reply) -> None:
        """One request for a model's work, from its bytes to its line in the journal."""
        self._count += 1
        kind, parse = _PARSERS[request.path]
        caller_id = request.headers.get(b"x-request-id", b"").decode("latin-1")
        answer_id = f"{kind}-sim{self._life:x}-{self._count:x}"
        entry = Entry(answer_id, self._clock.wall(), request_id=caller_id, path=request.path.decode())
        lines = b"%bx-request-id: %b\r\n" % (SERVER_LINE, (caller_id or answer_id).encode("latin-1"))
        delivery = Delivery(reply, self._path, self._clock, lines)
        answer: Answer | None = None
        try:
            answer = self._begin(request, parse, entry, delivery)
            await delivery.over
        except Fault as fault:
            delivery.send(fault.status, error_body(fault))
            await delivery.over
        finally:
            self._end(entry, delivery, answer)

    def _begin(
        self, request: Request, parse: Callable[[bytes], _Parsed], entry: Entry, delivery: Delivery
    ) -> Answer | None:
        """Understand the request and give it to the batch; None if a fault answers instead. Raises Fault."""
        self._authenticate(request)
        asked = parse(request.body)
        self._check_model(asked.model)
        streamed = isinstance(asked, GenerationRequest) and asked.stream
        entry.model, entry.stream = asked.model, streamed
        delivery.fault = self._fault_for(request)
        if delivery.fault is not None:
            entry.fault = delivery.fault.kind
        if delivery.strike(streamed):
            return None
        answer = self._answer(asked, entry, delivery)
        for generation in answer.generations:
            self._pump.submit(generation)
        return answer

    def _answer(self, asked: _Parsed, entry: Entry, delivery: Delivery) -> Answer:
        if isinstance(asked, EmbeddingRequest):
            self._check_length("input", asked.inputs, 0)
            return EmbeddingAnswer(asked, delivery)
        field = "messages" if asked.operation == "chat" else "prompt"
        self._check_length(field, asked.prompts, asked.max_tokens or 1)
        form = AnswerForm(asked, entry.id, int(entry.started))
        kind = StreamAnswer if asked.stream else TextAnswer
        return kind(asked, form, delivery, self._context)

    def _end(self, entry: Entry, delivery: Delivery, answer: Answer | None) -> None:
        """The request is over, well or not: nothing of it stays in the engine, and the journal says what was done."""
        entry.ended, entry.status = self._clock.wall(), delivery.status
        if answer is not None:
            if not answer.done:
                answer.abort(self.batch)
                entry.aborted_at = answer.completion_tokens
            entry.prompt_tokens, entry.cached_tokens = answer.prompt_tokens, answer.cached_tokens
            entry.completion_tokens = answer.completion_tokens
        self._journal.write(entry)

    def _gained(self, generations: list[Generation]) -> None:
        for generation in generations:
            generation.answer.gained(generation)
            if generation.done:
                self._metrics.finished(generation, self._clock.monotonic(), generation.reason)

    def _authenticate(self, request: Request) -> None:
        expected = b"Bearer " + self._options.api_key.encode()
        given = request.headers.get(b"authorization", b"")
        if self._options.api_key and not hmac.compare_digest(given, expected):
            raise Unauthenticated("Incorrect API key provided.")

    def _check_model(self, name: str) -> None:
        if name not in self._options.model:
            raise NotFound(f"The model '{name}' does not exist.", code="model_not_found", param="model")

    def _check_length(self, field: str, prompts: tuple[bytes, ...], output_tokens: int) -> None:
        """Raises InvalidRequest if prompt and answer do not fit into the context."""
        longest = max(token_count(prompt) for prompt in prompts)
        if longest + output_tokens > self._context:
            raise InvalidRequest(
                f"This model's maximum context length is {self._context} tokens. However, you requested "
                f"{longest + output_tokens} tokens ({longest} in the {field}, {output_tokens} in the completion).",
                code="context_length_exceeded",
                param=field,
            )

    def _fault_for(self, request: Request) -> EngineFault | None:
        asked = request.headers.get(b"x-sim-fault")
        if asked is not None and self._options.allow_faults:
            return _understood(asked.decode("latin-1"))
        return self._faults.draw()


def _understood(text: str) -> EngineFault:
    try:
        return parse_fault(text)
    except ValueError as error:
        raise InvalidRequest(str(error), code="invalid_value", param="faults") from None
