"""Answers in OpenAI's form. What is the same in every chunk of a stream is formatted once per request."""

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from intertie.sim.engine.embedding import packed
from intertie.sim.engine.logprobs import ChatLogprobs, TokenLogprob, completion_logprobs, token_logprobs
from intertie.sim.engine.output import Output
from intertie.sim.engine.requests import GenerationRequest

OWNER = "intertie-simulated"
FINGERPRINT = "simulated"
DONE = b"data: [DONE]\n\n"

Form: TypeAlias = dict[str, object]

_encode = msgspec.json.Encoder().encode


class AnswerForm:
    """How one request for text is answered, whole or as a stream."""

    def __init__(self, request: GenerationRequest, answer_id: str, created: int) -> None:
        self._request, self._chat = request, request.operation == "chat"
        name = "chat.completion" if self._chat else "text_completion"
        self._frame: Form = {"id": answer_id, "object": name, "created": created, "model": request.model}
        self._frame["system_fingerprint"] = FINGERPRINT
        if not request.stream:
            return
        if self._chat:
            self._frame["object"] = "chat.completion.chunk"
        self._head = b"data: " + _encode(self._frame)[:-1] + b',"choices":'
        self._tail = b',"usage":null}\n\n' if request.include_usage else b"}\n\n"

    def whole(self, outputs: Sequence[Output], usage: Form) -> bytes:
        """The answer in one piece; a choice's index is its place in `outputs`."""
        choices = [self._choice(index, output) for index, output in enumerate(outputs)]
        return _encode({**self._frame, "choices": choices, "usage": usage})

    def chunk(self, choice: bytes) -> bytes:
        """The event that carries one choice, as `opening`, `tokens` and `closing` give it."""
        return b"%b[%b]%b" % (self._head, choice, self._tail)

    def opening(self, index: int, output: Output) -> bytes:
        """The choice of the first chunk of a chat: the role; completions begin with their first token."""
        if not self._chat:
            return b""
        delta = {"role": "assistant", "content": None if output.text is None else "", "refusal": None}
        return _encode({"index": index, "delta": delta, "logprobs": None, "finish_reason": None})

    def tokens(self, index: int, output: Output) -> list[bytes]:
        """One choice per token of an answer."""
        if self._request.logprobs is not None:
            return self._tokens_with_logprobs(index, output, self._request.logprobs)
        form = b'{"index":%d,"delta":%%b,"logprobs":null,"finish_reason":null}' % index
        if not self._chat:
            form = form.replace(b"delta", b"text")
        return [form % _encode(delta if self._chat else delta.text) for delta in output.deltas]

    def closing(self, index: int, output: Output) -> bytes:
        """The choice of the last chunk: why the answer ends."""
        said: Form = {"delta": {}} if self._chat else {"text": ""}
        return _encode({"index": index, **said, "logprobs": None, "finish_reason": output.finish})

    def usage_chunk(self, usage: Form) -> bytes:
        """The extra event without choices, for callers who asked for it."""
        return b"%b[],%b}\n\n" % (self._head, _encode({"usage": usage})[1:-1])

    def _tokens_with_logprobs(self, index: int, output: Output, alternatives: int) -> list[bytes]:
        entries: Sequence[TokenLogprob | None] = token_logprobs(output, alternatives) or [None] * len(output.deltas)
        choices: list[bytes] = []
        offset = 0
        for delta, entry in zip(output.deltas, entries, strict=True):
            said: Form = {"delta": delta} if self._chat else {"text": delta.text}
            logprobs = None if entry is None else self._logprobs([entry], offset)
            choices.append(_encode({"index": index, **said, "logprobs": logprobs, "finish_reason": None}))
            offset += len(delta.text)
        return choices

    def _choice(self, index: int, output: Output) -> Form:
        asked = self._request.logprobs
        entries = None if asked is None else token_logprobs(output, asked)
        logprobs = None if entries is None else self._logprobs(entries, 0)
        said: Form = {"message": _message(output)} if self._chat else {"text": output.text}
        return {"index": index, **said, "logprobs": logprobs, "finish_reason": output.finish}

    def _logprobs(self, entries: list[TokenLogprob], offset: int) -> object:
        return ChatLogprobs(entries) if self._chat else completion_logprobs(entries, offset)


def _message(output: Output) -> Form:
    message: Form = {"role": "assistant", "content": output.text, "refusal": None}
    if output.text is None:
        message["tool_calls"] = [
            {"id": call.id, "type": call.type, "function": call.function} for call in output.tool_calls
        ]
    return message


def usage_form(prompt: int, completion: int, cached: int) -> Form:
    """Tokens as OpenAI counts them: cached ones are part of the prompt's."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def embeddings(model: str, vectors: Sequence[list[float]], base64: bool, prompt_tokens: int) -> bytes:
    """The answer to a request for embeddings."""
    data = [
        {"object": "embedding", "index": index, "embedding": packed(vector) if base64 else vector}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens}
    return _encode({"object": "list", "data": data, "model": model, "usage": usage})


def model_card(name: str, created: int, context: int) -> Form:
    """One model, with vLLM's `max_model_len`."""
    return {"id": name, "object": "model", "created": created, "owned_by": OWNER, "max_model_len": context}


def model_list(names: Sequence[str], created: int, context: int) -> bytes:
    """The answer of `GET /models`."""
    return _encode({"object": "list", "data": [model_card(name, created, context) for name in names]})
