"""Responses as answers. Source: the types of OpenAI's SDK (`openai.types.responses`)."""

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from intertie.sim.engine.dialect import AnswerForm, Spent
from intertie.sim.engine.logprobs import TokenLogprob, token_logprobs
from intertie.sim.engine.output import Block, Output
from intertie.sim.engine.requests import GenerationRequest
from intertie.sim.engine.seals import seal

Form: TypeAlias = dict[str, object]

_encode = msgspec.json.Encoder().encode


class ResponseWishes(msgspec.Struct, frozen=True):
    """What of the call an answer repeats (`echo`), and whether thoughts are summed up, or given to take along."""

    echo: Form
    summary: bool
    sealed: bool


class ResponseForm(AnswerForm):
    """See `AnswerForm`. Events are numbered; every block is an item of the output."""

    def __init__(self, request: GenerationRequest, answer: tuple[str, int], wishes: ResponseWishes) -> None:
        self._request, self._wishes, self._id = request, wishes, answer[0]
        self._count = 0
        self._chances: list[TokenLogprob] | None = None
        self._frame: Form = {"id": answer[0], "object": "response", "created_at": answer[1], "model": request.model}
        self._frame |= {"service_tier": request.tier or "default", "error": None, **wishes.echo}

    def whole(self, outputs: Sequence[Output], spent: Spent) -> bytes:
        """One object; there is only ever one choice."""
        return _encode(self._response(outputs[0], spent))

    def opening(self, index: int, output: Output, spent: Spent) -> bytes:
        """`response.created`, `response.in_progress`."""
        begun: Form = {"status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
        response = self._frame | begun
        return self._event("response.created", response=response) + self._event(
            "response.in_progress", response=response
        )

    def token(self, index: int, output: Output, at: int) -> bytes:
        """A delta, with what opens and closes its item."""
        piece = output.pieces[at]
        block, place = output.block_of(piece), piece.block
        told = self._open(block, place) if piece.opens else b""
        if piece.text:
            told += self._grow(output, at)
        if output.closes(at):
            told += self._close(output, output.blocks[place], place)
        return told

    def closing(self, index: int, output: Output) -> bytes:
        """Nothing: the response says it all."""
        return b""

    def ending(self, outputs: Sequence[Output], spent: Spent) -> bytes:
        """Nothing before the end."""
        return b""

    def done(self, outputs: Sequence[Output], spent: Spent) -> bytes:
        """`response.completed`, or `response.incomplete`; either tells the usage."""
        response = self._response(outputs[0], spent)
        return self._event(f"response.{response['status']}", response=response)

    def _response(self, output: Output, spent: Spent) -> Form:
        cut = output.finish == "length"
        items = [self._item(output, block, place) for place, block in enumerate(output.blocks)]
        return {
            **self._frame,
            "status": "incomplete" if cut else "completed",
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "output": items,
            "usage": _usage(spent),
        }

    def _item(self, output: Output, block: Block, place: int) -> Form:
        last = place + 1 == len(output.blocks)
        status = "incomplete" if last and output.finish == "length" else "completed"
        match block.kind:
            case "thoughts":
                summary = [{"type": "summary_text", "text": block.text}] if self._wishes.summary else []
                item: Form = {"id": f"rs_{block.id}", "type": "reasoning", "summary": summary}
                return item | ({"encrypted_content": seal(block.text)} if self._wishes.sealed else {})
            case "words":
                content = [self._text(block.text, self._logprobs(output))]
                return self._message(place) | {"status": status, "content": content}
            case "call":
                return _call(block) | {"arguments": block.text, "status": status}

    def _open(self, block: Block, place: int) -> bytes:
        match block.kind:
            case "thoughts":
                item: Form = {"id": f"rs_{block.id}", "type": "reasoning", "summary": []}
                told = self._event("response.output_item.added", output_index=place, item=item)
                return told + (self._summary("part.added", block, place, part="") if self._wishes.summary else b"")
            case "words":
                told = self._event("response.output_item.added", output_index=place, item=self._message(place))
                part = self._text("", [])
                return told + self._within("response.content_part.added", place, content_index=0, part=part)
            case "call":
                return self._event("response.output_item.added", output_index=place, item=_call(block))

    def _grow(self, output: Output, at: int) -> bytes:
        piece = output.pieces[at]
        block, place = output.block_of(piece), piece.block
        match block.kind:
            case "thoughts":
                return self._summary("text.delta", block, place, delta=piece.text) if self._wishes.summary else b""
            case "words":
                chances = self._logprobs(output)[at - output.thoughts :][:1]
                padding = "x" * (8 - len(piece.text) % 8)
                return self._within("response.output_text.delta", place, content_index=0, delta=piece.text,
                                    logprobs=chances, obfuscation=padding)  # fmt: skip
            case "call":
                return self._event("response.function_call_arguments.delta", output_index=place,
                                   item_id=f"fc_{block.id}", delta=piece.text)  # fmt: skip

    def _close(self, output: Output, block: Block, place: int) -> bytes:
        told = b""
        match block.kind:
            case "thoughts":
                if self._wishes.summary:
                    told = self._summary("text.done", block, place, text=block.text)
                    told += self._summary("part.done", block, place, part=block.text)
            case "words":
                part = self._text(block.text, self._logprobs(output))
                told = self._within("response.output_text.done", place, content_index=0, text=block.text, logprobs=[])
                told += self._within("response.content_part.done", place, content_index=0, part=part)
            case "call":
                told = self._event("response.function_call_arguments.done", output_index=place,
                                   item_id=f"fc_{block.id}", name=block.name, arguments=block.text)  # fmt: skip
        item = self._item(output, block, place)
        return told + self._event("response.output_item.done", output_index=place, item=item)

    def _summary(self, kind: str, block: Block, place: int, part: str | None = None, **fields: object) -> bytes:
        if part is not None:
            fields["part"] = {"type": "summary_text", "text": part}
        return self._event(f"response.reasoning_summary_{kind}", item_id=f"rs_{block.id}", output_index=place,
                           summary_index=0, **fields)  # fmt: skip

    def _within(self, kind: str, place: int, **fields: object) -> bytes:
        return self._event(kind, item_id=self._message_id(place), output_index=place, **fields)

    def _message_id(self, place: int) -> str:
        return f"msg_{self._id.removeprefix('resp_')}_{place}"

    def _message(self, place: int) -> Form:
        return {"id": self._message_id(place), "type": "message", "status": "in_progress", "role": "assistant",
                "content": []}  # fmt: skip

    def _text(self, text: str, chances: list[TokenLogprob]) -> Form:
        return {"type": "output_text", "annotations": [], "logprobs": chances, "text": text}

    def _logprobs(self, output: Output) -> list[TokenLogprob]:
        if self._chances is None:
            asked = self._request.logprobs
            self._chances = [] if asked is None else token_logprobs(output, asked)
        return self._chances

    def _event(self, kind: str, **fields: object) -> bytes:
        data = {"type": kind, **fields, "sequence_number": self._count}
        self._count += 1
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), _encode(data))


def _call(block: Block) -> Form:
    return {"id": f"fc_{block.id}", "type": "function_call", "status": "in_progress", "arguments": "",
            "call_id": f"call_{block.id}", "name": block.name}  # fmt: skip


def _usage(spent: Spent) -> Form:
    return {
        "input_tokens": spent.prompt,
        "input_tokens_details": {"cached_tokens": spent.cached, "cache_write_tokens": 0},
        "output_tokens": spent.completion,
        "output_tokens_details": {"reasoning_tokens": spent.thoughts},
        "total_tokens": spent.prompt + spent.completion,
    }
