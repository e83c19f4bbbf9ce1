"""Reads a whole answer."""

from collections.abc import Iterator

import msgspec

from intertie.core.chat import Answer, Audio, Choice, Image, Media, Part, Refusal, Text, ToolCall
from intertie.core.faults import UpstreamGarbled
from intertie.core.usage import Usage
from intertie.dialects.openai_chat.glance import to_usage
from intertie.dialects.openai_chat.media import from_data_url, is_web_url
from intertie.dialects.openai_chat.reasoning import to_reasonings
from intertie.dialects.openai_chat.told import (
    AnswerTold,
    ChoiceTold,
    MessageTold,
    Picture,
    arguments_of,
    citations_of,
    fault_of,
    made_up_id,
    stop_of,
)

_answer = msgspec.json.Decoder(AnswerTold).decode


def body_to_answer(body: bytes) -> Answer:
    """The answer that a body tells. Raises UpstreamGarbled if it is none, or the fault that it tells under 200."""
    try:
        told = _answer(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UpstreamGarbled(f"The answer is not what its dialect promises: {error}") from None
    fault = fault_of(told)
    if fault is not None:
        raise fault
    if not told.choices:
        raise UpstreamGarbled("The answer has no choices.")
    choices = sorted(told.choices, key=lambda choice: choice.index)
    return Answer(
        id=told.id or "",
        model=told.model or "",
        choices=tuple(_choice(choice, told.id or "") for choice in choices),
        usage=read_usage(told),
        created=int(told.created or 0),
        tier=told.service_tier or "",
        fingerprint=told.system_fingerprint or "",
    )


def read_usage(told: AnswerTold) -> Usage | None:
    """The usage of an answer or a chunk, None where it tells none. Raises UpstreamGarbled if it is absurd."""
    if told.usage is None:
        return None
    try:
        return to_usage(told.usage, told.service_tier)
    except ValueError as error:
        raise UpstreamGarbled(f"The answer tells {error}.") from None


def _choice(told: ChoiceTold, answer: str) -> Choice:
    parts = tuple(_parts(told.message or MessageTold(), answer, told.index))
    stop, text, name = stop_of(told, any(isinstance(part, ToolCall) for part in parts))
    chances = told.logprobs.chances if told.logprobs else ()
    return Choice(parts=parts, stop=stop, stop_text=text, stop_name=name, chances=chances)


def _parts(message: MessageTold, answer: str, choice: int) -> Iterator[Part]:
    yield from to_reasonings(message.thoughts, message.reasoning_details)
    if message.words:
        yield Text(message.words, citations=tuple(citations_of(message.annotations, 0)))
    if message.refusal:
        yield Refusal(message.refusal)
    audio = message.audio
    if audio is not None and (audio.data or audio.id):
        yield Audio(Media(data=audio.data or ""), audio.transcript or "", audio.id or "")
    for picture in message.images or ():
        yield from _image(picture)
    for number, call in enumerate(message.tool_calls or ()):
        id_ = call.id or made_up_id(answer, choice, number)
        yield ToolCall(id_, call.name, call.arguments, call.free, signature=call.signature)
    function = message.function_call
    if function is not None and not message.tool_calls:
        yield ToolCall(made_up_id(answer, choice, 0), function.name or "", arguments_of(function.arguments))


def _image(picture: Picture) -> Iterator[Image]:
    url = picture.image_url.url if picture.image_url else ""
    data = from_data_url(url)
    if data is not None:
        yield Image(Media(type=data[0], data=data[1]))
    elif is_web_url(url):
        yield Image(Media(url=url))
