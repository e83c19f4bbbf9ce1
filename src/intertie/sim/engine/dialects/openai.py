"""How OpenAI's API and Azure's speak of errors. Sources: platform.openai.com/docs/guides/error-codes and
learn.microsoft.com, "Azure OpenAI in Foundry Models REST API reference".
"""

import hmac
from typing import Final, NoReturn

import msgspec

from intertie.core.faults import Fault, InvalidRequest
from intertie.sim.engine.dialect import Asked, Refusal
from intertie.sim.engine.reading import Complaint

_encode = msgspec.json.Encoder().encode


class OpenAISpeech:
    """See `Speech`."""

    garbage = b'data: {"id":"chatcmpl-simulated","choices":[{"index":0,"del\n\n'
    stream_type = b"text/event-stream"

    def refusal(self, fault: Fault, request: str) -> Refusal:
        """`{"error": {message, type, param, code}}`."""
        return Refusal(fault.status, b"", _encode({"error": _error(fault)}))

    def broke(self, fault: Fault) -> bytes:
        """A chunk with nothing but the error."""
        return b"data: " + _encode({"error": _error(fault)}) + b"\n\n"

    def complaint(self, complaint: Complaint) -> Fault:
        """The API's own phrases."""
        place = complaint.bracketed
        match complaint.kind:
            case "json":
                message = f"We could not parse the JSON body of your request. ({complaint.text})"
                return InvalidRequest(message, code="invalid_json")
            case "missing":
                message = f"Missing required parameter: '{place}'."
                return InvalidRequest(message, code="missing_required_parameter", param=place)
            case "unknown":
                return InvalidRequest(f"Unknown parameter: '{place}'.", code="unknown_parameter", param=place)
            case "wrong":
                message = f"Invalid type for '{place}': {complaint.text}."
                return InvalidRequest(message, code="invalid_type", param=place or None)

    def welcomes(self, asked: Asked, key: str) -> bool:
        """A bearer token."""
        return not key or hmac.compare_digest(asked.headers.get(b"authorization", b""), b"Bearer " + key.encode())


class AzureSpeech(OpenAISpeech):
    """Azure tells errors of its gateway with a number for a code, those of models as OpenAI does."""

    def refusal(self, fault: Fault, request: str) -> Refusal:
        """400 comes from the model, all else from Azure."""
        if fault.status == 400:
            return super().refusal(fault, request)
        return Refusal(fault.status, b"", _encode({"error": {"code": str(fault.status), "message": fault.message}}))

    def welcomes(self, asked: Asked, key: str) -> bool:
        """A key in a header of its own, or a token of Entra ID."""
        return hmac.compare_digest(asked.headers.get(b"api-key", b""), key.encode()) or super().welcomes(asked, key)


OPENAI: Final = OpenAISpeech()
AZURE: Final = AzureSpeech()


def refuse(field: str, message: str, code: str = "invalid_value") -> NoReturn:
    """Refuse a field."""
    raise InvalidRequest(message, code=code, param=field)


def _error(fault: Fault) -> dict[str, object]:
    kind = fault.kind if fault.status < 500 else "server_error"
    return {"message": fault.message, "type": "requests" if fault.status == 429 else kind, "param": fault.param,
            "code": fault.code}  # fmt: skip
