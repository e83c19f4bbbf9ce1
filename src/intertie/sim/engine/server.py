"""The engine's HTTP face: every dialect's paths, vLLM's health and metrics, and a control path for faults.

One request: it travels (`path`), is understood (`dialects`), perhaps struck by a fault, becomes sequences (`answers`)
that the batch computes, and is journalled with what was truly done, however it ended.
"""

import asyncio
import random
from urllib.parse import parse_qsl, unquote

import msgspec

from intertie.core.clock import Clock
from intertie.core.faults import Fault, InvalidRequest, MethodNotAllowed, NotFound, Unauthenticated
from intertie.sim.engine.answers import Answer, Generation, PrefillAnswer, StreamAnswer, TextAnswer
from intertie.sim.engine.batching import ContinuousBatch
from intertie.sim.engine.blocks import BLOCK_TOKENS
from intertie.sim.engine.conversation import wishes_in
from intertie.sim.engine.delivery import Delivery
from intertie.sim.engine.dialect import Asked, Job, Operation, PrefillJob
from intertie.sim.engine.dialects.openai import OPENAI
from intertie.sim.engine.doors import at_path, is_door
from intertie.sim.engine.faults import EngineFault, FaultSchedule, parse_fault
from intertie.sim.engine.journal import EngineJournal, Entry
from intertie.sim.engine.metrics import CONTENT_TYPE, EngineMetrics
from intertie.sim.engine.models import model_card, model_list
from intertie.sim.engine.options import EngineOptions
from intertie.sim.engine.path import Path
from intertie.sim.engine.pump import Pump
from intertie.sim.engine.reading import Complaint, read
from intertie.sim.engine.requests import EngineRequest
from intertie.sim.engine.text import token_count
from intertie.wire.reply import Rendered, Reply, Request

SERVER_LINE = b"server: intertie-simulated-engine\r\n"

_HEALTH, _METRICS, _MODELS, _FAULTS = b"/health", b"/metrics", b"/v1/models", b"/sim/faults"
_READ = ("GET", "HEAD")
_PAGES = {_HEALTH: _READ, _METRICS: _READ, _MODELS: _READ, _FAULTS: (*_READ, "POST")}


class _FaultOrders(msgspec.Struct):
    """The body of `POST /sim/faults`: what strikes from now on."""

    faults: list[str]


_orders = msgspec.json.Decoder(_FaultOrders)


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
        """A fault where nothing is known of the request."""
        told = OPENAI.refusal(fault, "")
        return told.status, b"content-type: application/json\r\n" + SERVER_LINE + told.headers, told.body

    def close(self) -> None:
        """Stop; what is under way is not answered any more."""
        self._pump.close()
        self._path.close()
        self._journal.close()

    async def __call__(self, request: Request, reply: Reply) -> None:
        """Answer one request; cancelled when the caller leaves."""
        if self._path.is_long:
            await asyncio.sleep(self._path.inbound(reply.connection))
        found = at_path(request.path) if request.method == "POST" else None
        if found is not None:
            operation, named = found
            query = dict(parse_qsl(request.query.decode("latin-1"))) if request.query else {}
            asked = Asked(named, query, request.headers, request.body)
            await self._infer(request, asked, operation, reply)
            return
        delivery = Delivery(reply, self._path, self._clock, OPENAI, "", SERVER_LINE)
        try:
            self._tell(request, delivery)
        except Complaint as complaint:
            delivery.refuse(OPENAI.complaint(complaint))
        except Fault as fault:
            delivery.refuse(fault)
        await delivery.over

    def _tell(self, request: Request, delivery: Delivery) -> None:
        """Everything that is not inference."""
        path = request.path
        if path not in _PAGES and not path.startswith(_MODELS + b"/") and not is_door(path):
            raise NotFound(f"no such path: {path.decode(errors='replace')}")
        if request.method not in _PAGES.get(path, ("POST",) if is_door(path) else _READ):
            raise MethodNotAllowed(f"{request.method} is not allowed on {path.decode(errors='replace')}")
        if path == _HEALTH:
            delivery.send(200, b"", b"text/plain")
        elif path == _METRICS:
            delivery.send(200, self._metrics.text(), CONTENT_TYPE)
        elif path == _FAULTS:
            self._control(request, delivery)
        else:
            self._authenticate(OPENAI.welcomes(Asked({}, {}, request.headers, b""), self._options.api_key))
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
            self._faults.rules = [_understood(text) for text in read(_orders, request.body).faults]
        delivery.send(200, msgspec.json.encode({"faults": self._faults.rules}))

    async def _infer(self, request: Request, asked: Asked, operation: Operation, reply: Reply) -> None:
        """One request for a model's work, from its bytes to its line in the journal."""
        self._count += 1
        caller_id = request.headers.get(b"x-request-id", b"").decode("latin-1")
        answer_id = f"{operation.kind}sim{self._life:x}-{self._count:x}"
        entry = Entry(answer_id, self._clock.wall(), request_id=caller_id, path=request.path.decode())
        name = caller_id or answer_id
        delivery = Delivery(reply, self._path, self._clock, operation.speech, name, SERVER_LINE)
        answer: Answer | None = None
        try:
            try:
                answer = self._begin(asked, operation, entry, delivery)
            except Complaint as complaint:
                raise operation.speech.complaint(complaint) from None
            await delivery.over
        except Fault as fault:
            delivery.refuse(fault)
            await delivery.over
        finally:
            self._end(entry, delivery, answer)

    def _begin(self, asked: Asked, operation: Operation, entry: Entry, delivery: Delivery) -> Answer | None:
        """Understand the request and give it to the batch; None if a fault answers instead. Raises Fault, Complaint."""
        self._authenticate(not self._options.api_key or operation.speech.welcomes(asked, self._options.api_key))
        job = operation.read(asked)
        request = job.request
        self._check_model(request.model)
        entry.model, entry.stream = request.model, request.stream
        delivery.fault = self._fault_for(asked, request)
        if delivery.fault is not None:
            entry.fault = delivery.fault.kind
        if delivery.strike(request.stream):
            return None
        answer = self._answer(job, entry, delivery)
        for generation in answer.generations:
            self._pump.submit(generation)
        return answer

    def _answer(self, job: Job, entry: Entry, delivery: Delivery) -> Answer:
        request = job.request
        if isinstance(job, PrefillJob):
            self._check_length(request.field, job.request.inputs, 0)
            pieces = job.request.pieces
            entry.images, entry.audio_ms = pieces.images, pieces.audio_ms
            entry.characters, entry.searches = pieces.characters, pieces.searches
            return PrefillAnswer(job, delivery)
        self._check_length(request.field, job.request.prompts, job.request.max_tokens or 1)
        entry.tier = job.request.tier
        form = job.form(entry.id, int(entry.started))
        kind = StreamAnswer if request.stream else TextAnswer
        return kind(job.request, form, delivery, self._context)

    def _end(self, entry: Entry, delivery: Delivery, answer: Answer | None) -> None:
        """The request is over, well or not: nothing of it stays in the engine, and the journal says what was done."""
        entry.ended, entry.status = self._clock.wall(), delivery.status
        if answer is not None:
            spent = answer.spent
            if not answer.done:
                answer.abort(self.batch)
                entry.aborted_at = spent.completion
            entry.prompt_tokens, entry.cached_tokens = spent.prompt, spent.cached
            entry.completion_tokens, entry.reasoning_tokens = spent.completion, spent.thoughts
            entry.written_tokens, entry.written_1h_tokens = spent.written, spent.written_1h
        self._journal.write(entry)

    def _gained(self, generations: list[Generation]) -> None:
        for generation in generations:
            generation.answer.gained(generation)
            if generation.done:
                self._metrics.finished(generation, self._clock.monotonic(), generation.reason)

    def _authenticate(self, welcome: bool) -> None:
        if not welcome:
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

    def _fault_for(self, asked: Asked, request: EngineRequest) -> EngineFault | None:
        """What a header asks for, else the words of the caller, else what the lots say."""
        if self._options.allow_faults:
            header = asked.headers.get(b"x-sim-fault", b"").decode("latin-1")
            if wanted := header or wishes_in(request.spoken).get("fault", ""):
                return _understood(wanted)
        return self._faults.draw()


def _understood(text: str) -> EngineFault:
    try:
        return parse_fault(text)
    except ValueError as error:
        raise InvalidRequest(str(error), code="invalid_value", param="faults") from None
