"""Answers under way: the sequences of one request, and what leaves when they gain tokens."""

from abc import ABC, abstractmethod
from collections.abc import Sequence as Series

from intertie.sim.engine.batching import ContinuousBatch, Sequence
from intertie.sim.engine.blocks import BLOCK_TOKENS, BlockHash, chained_hashes
from intertie.sim.engine.delivery import Delivery
from intertie.sim.engine.dialect import AnswerForm, PrefillJob, Spent
from intertie.sim.engine.output import Output, plan_output
from intertie.sim.engine.requests import GenerationRequest
from intertie.sim.engine.text import BYTES_PER_TOKEN, token_count

_BLOCK_BYTES = BLOCK_TOKENS * BYTES_PER_TOKEN


class Generation(Sequence):
    """A sequence that belongs to an answer.

    `index` is its place there; `leads` whether its prompt is counted (several choices share one); `reason` why it ends.
    """

    __slots__ = ("answer", "index", "leads", "reason")

    def __init__(self, answer: "Answer", prompt: bytes, hashes: Series[BlockHash] = (), output_tokens: int = 0) -> None:
        super().__init__(token_count(prompt), output_tokens, hashes)
        self.answer = answer
        self.index = len(answer.generations)
        self.leads = True
        self.reason = "stop"


class Answer(ABC):
    """What is being answered to one request."""

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        self.generations: list[Generation] = []
        self._ended = 0

    @abstractmethod
    def gained(self, generation: Generation) -> None:
        """One of its sequences has one more token."""

    @property
    @abstractmethod
    def spent(self) -> Spent:
        """What it consumed so far; several answers to one prompt count it once."""

    @property
    def done(self) -> bool:
        """Whether every sequence has all its tokens."""
        return all(each.done for each in self.generations)

    def ends_with(self, generation: Generation) -> bool:
        """Count a sequence that is done; True for the last of them. Several may be done in the same step."""
        self._ended += generation.done
        return self._ended == len(self.generations)

    def abort(self, batch: ContinuousBatch[Generation]) -> None:
        """Take what is not done out of the engine."""
        for each in self.generations:
            if not each.done:
                batch.abort(each)


class TextAnswer(Answer):
    """An answer in one piece."""

    def __init__(self, request: GenerationRequest, form: AnswerForm, delivery: Delivery, context: int) -> None:
        super().__init__(delivery)
        self.outputs: list[Output] = []
        self._form, self._request = form, request
        for prompt in request.prompts:
            hashes = chained_hashes(prompt, _BLOCK_BYTES)
            for choice in range(request.choices):
                output = plan_output(request, prompt, choice, context - token_count(prompt))
                self.outputs.append(output)
                generation = Generation(self, prompt, hashes, len(output.pieces))
                generation.leads, generation.reason = choice == 0, output.finish
                self.generations.append(generation)

    @property
    def spent(self) -> Spent:
        """See `Answer.spent`. Where callers mark what is to be kept, nothing else is found in the cache either."""
        pairs = list(zip(self.generations, self.outputs, strict=True))
        prompt = sum(each.prompt_tokens for each in self.generations if each.leads)
        cached = sum(each.cached_tokens for each in self.generations if each.leads)
        completion = sum(each.produced for each in self.generations)
        thoughts = sum(min(each.produced, output.thoughts) for each, output in pairs)
        if self._request.marked is None:
            return Spent(prompt, completion, cached, thoughts=thoughts)
        kept = self._request.marked // _BLOCK_BYTES * BLOCK_TOKENS
        cached = min(cached, kept)
        written = (0, kept - cached) if self._request.lasting else (kept - cached, 0)
        return Spent(prompt, completion, cached, *written, thoughts)

    def gained(self, generation: Generation) -> None:
        """Send the whole answer once all of it is there."""
        if self.ends_with(generation):
            self.delivery.send(200, self._form.whole(self.outputs, self.spent))


class StreamAnswer(TextAnswer):
    """An answer token by token."""

    def __init__(self, request: GenerationRequest, form: AnswerForm, delivery: Delivery, context: int) -> None:
        super().__init__(request, form, delivery, context)
        delivery.start()

    def gained(self, generation: Generation) -> None:
        """Send the token, with what comes before the first and after the last."""
        form, index, at = self._form, generation.index, generation.produced - 1
        output = self.outputs[index]
        chunk = form.opening(index, output, self.spent) if at == 0 else b""
        chunk += form.token(index, output, at)
        if generation.done:
            chunk += form.closing(index, output)
        if self.ends_with(generation):
            outputs, spent = self.outputs, self.spent
            self.delivery.finish(chunk + form.ending(outputs, spent), form.done(outputs, spent))
        else:
            self.delivery.write(chunk)


class PrefillAnswer(Answer):
    """What needs no token but those of the prompt: its sequences are only prefilled."""

    def __init__(self, job: PrefillJob, delivery: Delivery) -> None:
        super().__init__(delivery)
        self._job = job
        for text in job.request.inputs:
            self.generations.append(Generation(self, text))

    @property
    def spent(self) -> Spent:
        """See `Answer.spent`."""
        output = self._job.request.pieces.output_tokens if self.done else 0
        return Spent(sum(each.prompt_tokens for each in self.generations), output)

    def gained(self, generation: Generation) -> None:
        """Send the answer once all inputs are computed."""
        if self.ends_with(generation):
            kind, body = self._job.render(self.spent.prompt)
            self.delivery.send(200, body, kind)
