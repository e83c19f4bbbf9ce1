"""Answers under way: the sequences of one request, and what leaves when they gain tokens."""

from abc import ABC, abstractmethod
from collections.abc import Sequence as Series

from intertie.sim.engine.batching import ContinuousBatch, Sequence
from intertie.sim.engine.blocks import BLOCK_TOKENS, BlockHash, chained_hashes
from intertie.sim.engine.delivery import Delivery
from intertie.sim.engine.embedding import DIMENSIONS, embed
from intertie.sim.engine.forms import AnswerForm, Form, embeddings, usage_form
from intertie.sim.engine.output import Output, plan_output
from intertie.sim.engine.requests import EmbeddingRequest, GenerationRequest
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
    def prompt_tokens(self) -> int:
        """Tokens of the prompts; several answers to one prompt count it once."""
        return sum(each.prompt_tokens for each in self.generations if each.leads)

    @property
    def cached_tokens(self) -> int:
        """Those of them that were found in memory."""
        return sum(each.cached_tokens for each in self.generations if each.leads)

    @property
    def completion_tokens(self) -> int:
        """Tokens generated so far."""
        return sum(each.produced for each in self.generations)

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
        self._form = form
        for prompt in request.prompts:
            hashes = chained_hashes(prompt, _BLOCK_BYTES)
            for choice in range(request.choices):
                output = plan_output(request, prompt, choice, context - token_count(prompt))
                self.outputs.append(output)
                generation = Generation(self, prompt, hashes, len(output.deltas))
                generation.leads, generation.reason = choice == 0, output.finish
                self.generations.append(generation)

    @property
    def usage(self) -> Form:
        """What it consumed so far."""
        return usage_form(self.prompt_tokens, self.completion_tokens, self.cached_tokens)

    def gained(self, generation: Generation) -> None:
        """Send the whole answer once all of it is there."""
        if self.ends_with(generation):
            self.delivery.send(200, self._form.whole(self.outputs, self.usage))


class StreamAnswer(TextAnswer):
    """An answer token by token."""

    def __init__(self, request: GenerationRequest, form: AnswerForm, delivery: Delivery, context: int) -> None:
        super().__init__(request, form, delivery, context)
        self._include_usage = request.include_usage
        self._tokens = [form.tokens(index, output) for index, output in enumerate(self.outputs)]
        delivery.start()

    def gained(self, generation: Generation) -> None:
        """Send the token; before the first the role, after the last the reason, and the end of the stream."""
        form, index, produced = self._form, generation.index, generation.produced
        chunk = form.chunk(self._tokens[index][produced - 1])
        if produced == 1 and (opening := form.opening(index, self.outputs[index])):
            chunk = form.chunk(opening) + chunk
        if generation.done:
            chunk += form.chunk(form.closing(index, self.outputs[index]))
        last = self.ends_with(generation)
        if last and self._include_usage:
            chunk += form.usage_chunk(self.usage)
        self.delivery.write(chunk, last)


class EmbeddingAnswer(Answer):
    """Vectors: sequences that are only prefilled."""

    def __init__(self, request: EmbeddingRequest, delivery: Delivery) -> None:
        super().__init__(delivery)
        self._request = request
        for text in request.inputs:
            self.generations.append(Generation(self, text))

    def gained(self, generation: Generation) -> None:
        """Send all vectors once all inputs are computed."""
        if self.ends_with(generation):
            asked = self._request
            vectors = [embed(text, asked.dimensions or DIMENSIONS) for text in asked.inputs]
            self.delivery.send(200, embeddings(asked.model, vectors, asked.base64, self.prompt_tokens))
