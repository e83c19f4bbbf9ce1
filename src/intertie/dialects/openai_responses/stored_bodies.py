"""What callers are told of responses that are kept: the response itself, its items, its end."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Final, Literal

import msgspec

from intertie.core.call import Call
from intertie.core.faults import Fault, InvalidRequest, NotFound
from intertie.dialects.openai_responses.items import Kind
from intertie.dialects.openai_responses.response import Item, Outcome, ResponseObject
from intertie.dialects.openai_responses.stored import LIFETIME_S, StoredResponse, keep, read_progress
from intertie.dialects.sse import data_of

_PREFIXES: Final = {
    "message": "msg", "function_call": "fc", "function_call_output": "fco", "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco", "reasoning": "rs",
}  # fmt: skip
_RUNNING: Final = frozenset({"queued", "in_progress"})


class Page(msgspec.Struct, frozen=True):
    """Which items are asked for: `limit` of them behind the one of the id `after`, the newest first unless `asc`."""

    after: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20
    order: Literal["asc", "desc"] = "desc"


class _Numbered(msgspec.Struct):
    type: str = ""
    sequence_number: int = -1


_numbered = msgspec.json.Decoder(_Numbered).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_item = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_kind = msgspec.json.Decoder(Kind).decode
_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode


def not_found(response_id: str) -> NotFound:
    """The fault of a response that is not kept, or not for this caller: nobody learns which."""
    return NotFound(f"Response with id '{response_id[:256]}' not found.")


def read_page(query: Mapping[str, str]) -> Page:
    """The page that a query asks for; `include` and what else it may have changes no item. Raises InvalidRequest."""
    asked = {name: query[name] for name in ("after", "limit", "order") if name in query}
    try:
        return msgspec.convert(asked, Page, strict=False)
    except msgspec.ValidationError as error:
        what, _, at = str(error).partition(" - at `$.")
        param = at.removesuffix("`")
        raise InvalidRequest(f"Invalid value for '{param}': {what}.", code="invalid_value", param=param) from None


def deleted(response_id: str) -> bytes:
    """The answer of DELETE."""
    return _encode({"id": response_id, "object": "response.deleted", "deleted": True})


def item_list(chain: Sequence[StoredResponse], page: Page) -> bytes:
    """The items that the last response of the chain was made from, oldest response first. Raises InvalidRequest if
    `after` is none of them.
    """
    *before, last = chain
    items = [item for stored in before for item in (*_input_of(stored), *read_progress(stored).output)]
    items += _input_of(last)
    told = [(_kind(item).id or "", item) for item in items]
    if page.order == "desc":
        told.reverse()
    ids = [item_id for item_id, _ in told]
    if page.after and page.after not in ids:
        message = f"Invalid value for 'after': there is no item '{page.after[:256]}'."
        raise InvalidRequest(message, code="invalid_value", param="after")
    start = ids.index(page.after) + 1 if page.after else 0
    shown = told[start : start + page.limit]
    first, end = (shown[0][0], shown[-1][0]) if shown else (None, None)
    more = start + page.limit < len(told)
    return _encode(
        {"object": "list", "data": [item for _, item in shown], "first_id": first, "last_id": end, "has_more": more}
    )


def _input_of(stored: StoredResponse) -> list[msgspec.Raw]:
    return [_shown(raw, stored.id, number) for number, raw in enumerate(_items(stored.input))]


def _shown(raw: msgspec.Raw, response_id: str, number: int) -> msgspec.Raw:
    """An item as it is listed: with an id and a type, its content as parts."""
    item: Item = {**_item(raw)}
    kind = _kind(raw)
    item["type"] = kind.name
    if not kind.id:
        item["id"] = f"{_PREFIXES.get(kind.name, 'item')}_{response_id.removeprefix('resp_')}_in_{number}"
    item.setdefault("status", "completed")
    content = item.get("content")
    if kind.name == "message" and isinstance(content, msgspec.Raw) and bytes(content).startswith(b'"'):
        text = _text(content)
        spoken = kind.role == "assistant"
        item["content"] = [
            {"type": "output_text", "text": text, "annotations": []} if spoken else {"type": "input_text", "text": text}
        ]
    return msgspec.Raw(_encode(item))


def events_after(block: Iterable[bytes], number: int) -> Iterator[bytes]:
    """Those of a stream's events that come behind the one of this number; an error is always told."""
    for event in block:
        data = data_of(event)
        if data.startswith(b"{"):
            numbered = _numbered(data)
            if numbered.sequence_number > number or numbered.type == "error":
                yield event


def queued(call: Call, response_id: str, created: int, lifetime_s: int = LIFETIME_S) -> StoredResponse:
    """A response in the background, before anything came of it: what its caller is told at once, and what is kept."""
    response = ResponseObject(call, response_id, call.model, created)
    return keep(call, _encode(response.state(Outcome("queued"), [])), created, lifetime_s)


def in_progress(stored: StoredResponse) -> StoredResponse:
    """A response in the background that is being made."""
    return came_of_it(stored, _with(stored, status="in_progress"))


def came_of_it(stored: StoredResponse, response: bytes) -> StoredResponse:
    """A response in the background when it has ended; one that was cancelled meanwhile stays so."""
    ended = read_progress(stored).status not in _RUNNING
    return stored if ended else msgspec.structs.replace(stored, response=response)


def failed(stored: StoredResponse, fault: Fault) -> StoredResponse:
    """A response in the background that could not be made."""
    code = "rate_limit_exceeded" if fault.status == 429 else "server_error"
    error = {"code": "invalid_prompt" if isinstance(fault, InvalidRequest) else code, "message": fault.public}
    return came_of_it(stored, _with(stored, status="failed", error=error))


def cancelled(stored: StoredResponse) -> StoredResponse:
    """A response that its caller wants no more; one that has ended stays as it is. Raises InvalidRequest for one that
    was not made in the background.
    """
    if not stored.background:
        raise InvalidRequest("Only responses in the background can be cancelled.", code="invalid_request")
    return came_of_it(stored, _with(stored, status="cancelled"))


def _with(stored: StoredResponse, **changes: object) -> bytes:
    return _encode({**_item(stored.response), **changes})
