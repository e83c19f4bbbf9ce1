"""Renders Gemini's contents as a prompt, and refuses what the API refuses about their order."""

from collections.abc import Sequence
from typing import Final, NoReturn

import msgspec

from intertie.core.faults import InvalidRequest
from intertie.sim.engine.conversation import Conversation
from intertie.sim.engine.dialects import gemini_parts as told
from intertie.sim.engine.media import decoded, is_what_it_says
from intertie.sim.engine.reading import Complaint, Path
from intertie.sim.engine.seals import unseal

_SKIPS: Final = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")
"""Signatures for calls that another model made (ai.google.dev, Thought signatures, FAQ)."""
_URL_SAFE: Final = str.maketrans("-_", "+/")
"""ProtoJSON takes both alphabets of base64, and Google's SDK for Python sends the other one back."""
_KINDS: Final = ("image/", "audio/", "video/", "text/", "application/pdf")
_encode = msgspec.json.Encoder().encode


def render(body: told.Body, *, vertex: bool, signs: bool) -> Conversation:
    """The prompt: tools, instruction, contents. Raises InvalidRequest, Complaint."""
    seen = Conversation(b"".join(_encode(tool) for tool in body.tools))
    if body.system_instruction is not None:
        _instruct(seen, body.system_instruction)
    if not body.contents:
        _refuse("* GenerateContentRequest.contents: contents is not specified\n")
    _check_order(body.contents)
    if signs:
        _check_signatures(body.contents)
    for place, content in enumerate(body.contents):
        _check_content(content, place)
        seen.turn("assistant" if content.role == "model" else "user")
        for at, part in enumerate(content.parts):
            _show(seen, part, ("contents", place, "parts", at), vertex)
    return seen


def _instruct(seen: Conversation, instruction: told.Content) -> None:
    seen.turn("system")
    for part in instruction.parts:
        seen.say(part.text or "")


def _check_content(content: told.Content, place: int) -> None:
    if not content.parts:
        _refuse(f"* GenerateContentRequest.contents[{place}].parts: contents.parts must not be empty.\n")
    if content.role not in (None, "user", "model", "function"):
        _refuse("Please use a valid role: user, model.")
    for at, part in enumerate(content.parts):
        data = [part.text, part.inline_data, part.file_data, part.function_call, part.function_response]
        if sum(one is not None for one in data) != 1:
            _refuse(f"* GenerateContentRequest.contents[{place}].parts[{at}].data: required oneof field 'data' must "
                    "have one initialized field\n")  # fmt: skip


def _show(seen: Conversation, part: told.Part, where: Path, vertex: bool) -> None:
    if part.text is not None and not part.thought:
        seen.say(part.text)
    elif part.inline_data is not None:
        _picture(seen, part.inline_data, (*where, "inline_data"))
    elif part.file_data is not None:
        seen.show(part.file_data.file_uri.encode(), image=(part.file_data.mime_type or "image/").startswith("image/"))
    elif part.function_call is not None:
        _check_id(part.function_call.id, (*where, "function_call"), vertex)
        seen.put(_encode(part.function_call))
    elif part.function_response is not None:
        _check_id(part.function_response.id, (*where, "function_response"), vertex)
        _result(seen, part.function_response, where)


def _check_id(name: str | None, where: Path, vertex: bool) -> None:
    if vertex and name is not None:
        raise Complaint("unknown", (*where, "id"), "")


def _result(seen: Conversation, result: told.FunctionResponse, where: Path) -> None:
    seen.put(_encode([result.name, result.response]))
    for one in result.parts:
        if one.inline_data is not None:
            _picture(seen, one.inline_data, (*where, "function_response"))


def _picture(seen: Conversation, blob: told.Blob, where: Path) -> None:
    data = decoded(blob.data)
    if data is None:
        raise Complaint("wrong", (*where, "data"), f'(TYPE_BYTES), Base64 decoding failed for "{blob.data[:32]}"')
    if not blob.mime_type.startswith(_KINDS):
        _refuse(f"Unsupported MIME type: {blob.mime_type}")
    if not is_what_it_says(blob.mime_type, data):
        _refuse("Unable to process input image. Please retry or report in "
                "https://developers.generativeai.google/guide/troubleshooting")  # fmt: skip
    seen.show(data, image=blob.mime_type.startswith("image/"))


def _check_order(contents: Sequence[told.Content]) -> None:
    """A turn of calls follows one of the user's or of results; all its results follow it, in one turn."""
    waiting = 0
    for place, content in enumerate(contents):
        calls = sum(part.function_call is not None for part in content.parts)
        results = sum(part.function_response is not None for part in content.parts)
        if results and not waiting:
            _refuse("Please ensure that function response turn comes immediately after a function call turn.")
        if waiting and results != waiting:
            _refuse("Please ensure that the number of function response parts is equal to the number of function call "
                    "parts of the function call turn.")  # fmt: skip
        if calls and (place == 0 or contents[place - 1].role == "model"):
            _refuse("Please ensure that function call turn comes immediately after a user turn or after a function "
                    "response turn.")  # fmt: skip
        waiting = calls
    if waiting:
        _refuse("Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn.")  # fmt: skip


def _check_signatures(contents: Sequence[told.Content]) -> None:
    """Since the user last spoke, the first call of each step carries a signature, and every signature is good."""
    current = max((at for at, content in enumerate(contents) if _speaks(content)), default=0)
    for place, content in enumerate(contents):
        calls = [(at, part) for at, part in enumerate(content.parts) if part.function_call is not None]
        if place > current and calls and calls[0][1].thought_signature is None:
            at, part = calls[0]
            name = part.function_call.name if part.function_call else ""
            _refuse("Function call is missing a thought_signature in functionCall parts. This is required for tools to "
                    "work correctly, and missing thought_signature may lead to degraded model performance. Additional "
                    f"data, function call `default_api:{name}`, position {at}.")  # fmt: skip
        for part in content.parts:
            signature = part.thought_signature
            if signature is not None and signature not in _SKIPS and unseal(signature.translate(_URL_SAFE)) is None:
                _refuse("Thought signature is not valid.")


def _speaks(content: told.Content) -> bool:
    """Whether a content is the user's own words, and no results."""
    return content.role != "model" and all(part.function_response is None for part in content.parts)


def _refuse(message: str) -> NoReturn:
    raise InvalidRequest(message)
