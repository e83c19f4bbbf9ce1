"""Reads a whole response object into an answer."""

import msgspec

from intertie.core.answers import told_under_200
from intertie.core.chat import Answer, Choice, Part, StopReason, TokenChance, ToolCall
from intertie.core.faults import UpstreamGarbled
from intertie.dialects.openai_responses.glance import Head, error_reading, usage_of
from intertie.dialects.openai_responses.output_to_parts import chances, contents, output_item, parts_of


class IncompleteDetails(msgspec.Struct):
    """Why a response is incomplete."""

    reason: str | None = None


class Response(Head):
    """A response object, as far as it is read."""

    id: str = ""
    model: str = ""
    status: str | None = None
    created_at: float | None = None
    incomplete_details: IncompleteDetails | None = None
    output: list[msgspec.Raw] | None = None


_response = msgspec.json.Decoder(Response).decode


def read_response(body: bytes | msgspec.Raw) -> Response:
    """A response object. Raises UpstreamGarbled if it is none."""
    try:
        return _response(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UpstreamGarbled(f"The endpoint's answer is not what its dialect promises: {error}") from None


def body_to_answer(body: bytes) -> Answer:
    """The response as an answer with one choice.

    Raises the fault that it tells, or UpstreamGarbled if it is no response, or one that has not ended.
    """
    response = read_response(body)
    if response.error or response.status in ("failed", "cancelled"):
        reading = error_reading(response.error or {"message": f"The response was {response.status}."})
        raise told_under_200(reading.status, reading.error)
    if response.status not in (None, "completed", "incomplete"):
        raise UpstreamGarbled(f"The endpoint answered with a response that is {response.status[:32]}.")
    parts: list[Part] = []
    likely: tuple[TokenChance, ...] = ()
    try:
        for raw in response.output or ():
            parts += parts_of(raw)
            likely += _chances(raw)
        usage = usage_of(response)
    except (msgspec.DecodeError, ValueError) as error:
        raise UpstreamGarbled(f"The endpoint's answer is not what its dialect promises: {error}") from None
    reason, name = stop_of(response, any(isinstance(part, ToolCall) for part in parts))
    return Answer(
        id=response.id,
        model=response.model,
        choices=(Choice(parts=tuple(parts), stop=reason, stop_name=name, chances=likely),),
        usage=usage,
        created=int(response.created_at or 0),
        tier=response.service_tier or "",
    )


def _chances(raw: msgspec.Raw) -> tuple[TokenChance, ...]:
    item = output_item(raw)
    if item.type != "message":
        return ()
    return tuple([one for content in contents(item) for one in chances(content.logprobs)])


def stop_of(response: Response, wants_tool: bool) -> tuple[StopReason, str]:
    """Why the answer ended, and the endpoint's word for it where no other has one."""
    if response.status != "incomplete":
        return ("tool" if wants_tool else "end"), ""
    reason = (response.incomplete_details.reason if response.incomplete_details else None) or ""
    if reason == "max_output_tokens":
        return "length", ""
    if reason == "content_filter":
        return "filter", ""
    return "other", reason
