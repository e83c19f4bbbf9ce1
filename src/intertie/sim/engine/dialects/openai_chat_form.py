"""Chat completions and completions as answers. Source: the types of OpenAI's SDK (`openai.types.chat`).

What is the same in every chunk of a stream is formatted once per request.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec

from intertie.sim.engine.dialect import AnswerForm, Spent
from intertie.sim.engine.logprobs import ChatLogprobs, TokenLogprob, completion_logprobs, token_logprobs
from intertie.sim.engine.output import Block, Output
from intertie.sim.engine.requests import GenerationRequest

FINGERPRINT: Final = "simulated"
DONE: Final = b"data: [DONE]\n\n"

Form: TypeAlias = dict[str, object]

_encode = msgspec.json.Encoder().encode


class ChatForm(AnswerForm):
    """See `AnswerForm`. `tells_thoughts`: vLLM shows them, OpenAI only counts them."""

    def __init__(self, request: GenerationRequest, answer: tuple[str, int], usage: bool, tells_thoughts: bool) -> None:
        self._request, self._usage, self._tells_thoughts = request, usage, tells_thoughts
        self._chat = request.operation == "chat"
        self._logprobs: dict[int, list[TokenLogprob]] = {}
        name = "chat.completion" if self._chat else "text_completion"
        self._frame: Form = {"id": answer[0], "object": name, "created": answer[1], "model": request.model}
        self._frame["system_fingerprint"] = FINGERPRINT
        if request.tier:
            self._frame["service_tier"] = request.tier
        if request.stream and self._chat:
            self._frame["object"] = "chat.completion.chunk"
        self._head = b"data: " + _encode(self._frame)[:-1] + b',"choices":'
        self._tail = b',"usage":null}\n\n' if usage else b"}\n\n"

    def whole(self, outputs: Sequence[Output], spent: Spent) -> bytes:
        """One object."""
        choices = [self._choice(index, output) for index, output in enumerate(outputs)]
        return _encode({**self._frame, "choices": choices, "usage": usage_form(spent)})

    def opening(self, index: int, output: Output, spent: Spent) -> bytes:
        """The role; completions begin with their first token."""
        if not self._chat:
            return b""
        silent = output.words is None
        return self._chunk({"index": index, "delta": {"role": "assistant", "content": None if silent else "",
                            "refusal": None}, "logprobs": None, "finish_reason": None})  # fmt: skip

    def token(self, index: int, output: Output, at: int) -> bytes:
        """One chunk, or none for thoughts that are not told."""
        piece = output.pieces[at]
        block = output.block_of(piece)
        if block.kind == "call":
            return self._grown(index, {"tool_calls": [self._call(output, block, at)]})
        if block.kind == "thoughts":
            return self._grown(index, {"reasoning": piece.text}) if self._tells_thoughts else b""
        if self._request.logprobs is None:
            return self._word(index, piece.text)
        said: Form = {"content": piece.text} if self._chat else {}
        return self._grown(index, said, None if self._chat else piece.text, self._chance(index, output, at))

    def closing(self, index: int, output: Output) -> bytes:
        """Why the choice ends."""
        said: Form = {"delta": {}} if self._chat else {"text": ""}
        return self._chunk({"index": index, **said, "logprobs": None, "finish_reason": output.finish})

    def ending(self, outputs: Sequence[Output], spent: Spent) -> bytes:
        """The extra event without choices, for callers who asked for it."""
        return b"%b[],%b}\n\n" % (self._head, _encode({"usage": usage_form(spent)})[1:-1]) if self._usage else b""

    def done(self, outputs: Sequence[Output], spent: Spent) -> bytes:
        """`[DONE]`."""
        return DONE

    def _chunk(self, choice: Form) -> bytes:
        return b"%b[%b]%b" % (self._head, _encode(choice), self._tail)

    def _word(self, index: int, text: str) -> bytes:
        """What nearly all chunks are."""
        word = (b'"delta":{"content":%b}' if self._chat else b'"text":%b') % _encode(text)
        choice = b'{"index":%d,%b,"logprobs":null,"finish_reason":null}' % (index, word)
        return b"%b[%b]%b" % (self._head, choice, self._tail)

    def _grown(self, index: int, delta: Form, text: str | None = None, chances: object = None) -> bytes:
        said: Form = {"delta": delta} if text is None else {"text": text}
        return self._chunk({"index": index, **said, "logprobs": chances, "finish_reason": None})

    def _call(self, output: Output, block: Block, at: int) -> Form:
        """A piece of a call: id, type and name come once, the arguments in pieces."""
        piece = output.pieces[at]
        number = piece.block - sum(one.kind != "call" for one in output.blocks[: piece.block])
        if piece.opens:
            function: Form = {"name": block.name, "arguments": ""}
            return {"index": number, "function": function, "id": f"call_{block.id}", "type": "function"}
        return {"index": number, "function": {"arguments": piece.text}}

    def _chance(self, index: int, output: Output, at: int) -> object:
        if index not in self._logprobs:
            self._logprobs[index] = token_logprobs(output, self._request.logprobs or 0)
        entries = self._logprobs[index]
        place = at - output.thoughts
        offset = sum(len(entry.token) for entry in entries[:place])
        return self._told([entries[place]], offset)

    def _told(self, entries: list[TokenLogprob], offset: int) -> object:
        return ChatLogprobs(entries) if self._chat else completion_logprobs(entries, offset)

    def _choice(self, index: int, output: Output) -> Form:
        asked = self._request.logprobs
        logprobs = None if asked is None or output.words is None else self._told(token_logprobs(output, asked), 0)
        said: Form = {"message": self._message(output)} if self._chat else {"text": output.words}
        return {"index": index, **said, "logprobs": logprobs, "finish_reason": output.finish}

    def _message(self, output: Output) -> Form:
        message: Form = {"role": "assistant", "content": output.words, "refusal": None}
        thoughts = "".join(block.text for block in output.blocks if block.kind == "thoughts")
        if thoughts and self._tells_thoughts:
            message["reasoning"] = thoughts
        calls = [
            {"id": f"call_{call.id}", "type": "function", "function": {"name": call.name, "arguments": call.text}}
            for call in output.calls
        ]
        return message | {"tool_calls": calls} if calls else message


def usage_form(spent: Spent) -> Form:
    """Tokens as OpenAI counts them: cached ones are part of the prompt's, thoughts of the completion's."""
    return {
        "prompt_tokens": spent.prompt,
        "completion_tokens": spent.completion,
        "total_tokens": spent.prompt + spent.completion,
        "prompt_tokens_details": {"cached_tokens": spent.cached},
        "completion_tokens_details": {"reasoning_tokens": spent.thoughts},
    }
