"""What endpoints speak, and how they are asked; nobody calls the gateway in this dialect.

A caller who leaves saves nothing here: Bedrock makes, and bills, the whole output all the same.
"""

from urllib.parse import quote

from intertie.core.endpoint import Endpoint, Operation
from intertie.dialects.bedrock.body_to_answer import body_to_answer
from intertie.dialects.bedrock.chat_to_body import chat_to_body
from intertie.dialects.bedrock.faults import told
from intertie.dialects.bedrock.glance import glance
from intertie.dialects.bedrock.stream_to_events import ConverseReader
from intertie.dialects.dialect import Outbound
from intertie.dialects.signing import aws_signer


def path(endpoint: Endpoint, operation: Operation, stream: bool) -> str:
    """The path behind `https://bedrock-runtime.{region}.amazonaws.com`; a model's name may be an ARN."""
    model = quote(endpoint.upstream_model, safe="")
    return f"/model/{model}/converse-stream" if stream else f"/model/{model}/converse"


def headers(endpoint: Endpoint) -> tuple[str, ...]:
    """None that are the same for every request."""
    return ()


def sign(endpoint: Endpoint, whole_path: str, body: bytes, wall: float) -> tuple[str, ...]:
    """The header lines that say who asks: see `signing.aws_signer` for the forms of the credential."""
    signer = aws_signer(endpoint.credential, endpoint.region, "bedrock")
    return signer.sign("POST", endpoint.origin.authority, whole_path, body, wall)


OUTBOUND = Outbound(
    "bedrock",
    path,
    headers,
    glance,
    told,
    write=chat_to_body,
    read=body_to_answer,
    reader=ConverseReader,
    sign=sign,
)
