"""AWS's own library is the judge: of signatures, of event streams, and of the shape of calls."""

from datetime import UTC, datetime

import botocore.auth
import pytest
from aws_samples import (
    BEGIN,
    CLAUDE,
    END,
    LLAMA,
    METERED,
    assistant,
    chat,
    delta,
    message,
    text_header,
    tool,
    user,
    written,
)
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.eventstream import EventStreamBuffer
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.utils import percent_encode
from botocore.validate import ParamValidator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from intertie.core.chat import (
    Audio,
    Document,
    Form,
    Image,
    Media,
    Reasoning,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from intertie.dialects.bedrock.both import path, sign
from intertie.dialects.bedrock.frames import FrameSplitter

MODEL = ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"), "bedrock-runtime")
WORDS = st.text(st.characters(codec="ascii", categories=("L", "N"), include_characters="+/="), min_size=1, max_size=60)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    keys=st.tuples(WORDS, WORDS) | st.tuples(WORDS, WORDS, WORDS),
    model=st.text(st.characters(codec="ascii", categories=("L", "N"), include_characters=".:/-_~ "), min_size=1),
    body=st.binary(max_size=200),
    moment=st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1)),
    region=st.sampled_from(("us-east-1", "eu-central-1", "us-gov-west-1")),
)
def test_signatures_are_botocores(
    monkeypatch: pytest.MonkeyPatch, keys: tuple[str, ...], model: str, body: bytes, moment: datetime, region: str
) -> None:
    endpoint = replace(CLAUDE, credential=":".join(keys), upstream_model=f"m{model}", region=region)
    where = path(endpoint, "chat", True)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: moment)
    request = AWSRequest("POST", f"https://{endpoint.origin.authority}{where}", data=body)
    botocore.auth.SigV4Auth(Credentials(*keys), "bedrock", region).add_auth(request)
    lines = dict(line.split(": ", 1) for line in sign(endpoint, where, body, moment.replace(tzinfo=UTC).timestamp()))
    assert lines == {name.lower(): value for name, value in request.headers.items()}


@pytest.mark.parametrize(
    "model", ["amazon.nova-pro-v1:0", "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/a.b"]
)
def test_models_are_named_in_the_path_as_botocore_does(model: str) -> None:
    expected = f"/model/{percent_encode(model)}/converse"
    assert path(replace(CLAUDE, upstream_model=model), "chat", False) == expected
    assert path(replace(CLAUDE, upstream_model=model), "chat", True) == f"{expected}-stream"


@given(st.binary(max_size=300), st.dictionaries(WORDS, WORDS, max_size=4))
def test_event_streams_are_cut_as_botocore_cuts_them(payload: bytes, headers: dict[str, str]) -> None:
    told = {":message-type": "event", ":event-type": "x"}
    block = b"".join(text_header(*one) for one in (headers | told).items())
    stream = BEGIN + message(block, payload) + tool(1, "a") + delta(1, toolUse={"input": "{}"}) + END + METERED
    theirs = EventStreamBuffer()
    theirs.add_data(stream)
    expected = [(one.headers[":event-type"], one.payload) for one in theirs]
    assert [(frame.name, frame.payload) for frame in FrameSplitter().feed(stream)] == expected


TOOL = Tool(name="a", description="A", schema=Raw(b'{"type":"object"}'), strict=True, mark="1h")
PICTURE = Image(Media(type="image/png", data="aQ=="))
TALK = (
    Turn("system", (Text("Be kind.", mark="1h"),)),
    user("hi", PICTURE, Audio(Media(type="audio/mpeg", data="eA=="))),
    user(Document(Media(type="application/pdf", data="eA=="), "x.pdf", context="c", cite=True)),
    assistant(Reasoning("hm", "c2ln", origin="bedrock"), Reasoning(sealed="AA==", origin="bedrock"), "ok"),
    assistant(ToolCall("t1", "a", '{"x":1}', mark="5m"), ToolCall("t2", "a", "")),
    user(ToolResult("t1", (Text("22"), PICTURE)), ToolResult("t2", (), failed=True), Text("go on", mark="5m")),
)
ASKED = {
    "words": chat(),
    "talk": chat(*TALK, tools=(TOOL,), tool_choice=ToolChoice("named", ("a",)), parallel_tools=False),
    "required": chat(tools=(TOOL, Tool(name="b")), tool_choice=ToolChoice("required")),
    "drawn": chat(sampling=Sampling(temperature=0.3, top_p=0.9, top_k=4, stop=("a", "b")), max_output=12),
    "form": chat(form=Form(kind="schema", name="n", description="d", schema=Raw(b'{"type":"object"}'))),
    "thinking": chat(thinking=Thinking(on=True, budget=2_000), tier="priority"),
    "effort": chat(thinking=Thinking(effort="max")),
    "extras": chat(
        extras={
            "guardrailConfig": Raw(b'{"guardrailIdentifier":"g","guardrailVersion":"1","trace":"enabled"}'),
            "performanceConfig": Raw(b'{"latency":"optimized"}'),
            "requestMetadata": Raw(b'{"team":"a"}'),
        }
    ),
}


@pytest.mark.parametrize("operation", ["Converse", "ConverseStream"])
@pytest.mark.parametrize("case", ASKED)
def test_calls_have_the_shape_of_awss_own_model(case: str, operation: str) -> None:
    endpoint = LLAMA if case == "effort" else CLAUDE
    body = {"modelId": endpoint.upstream_model, **written(ASKED[case], endpoint)}
    report = ParamValidator().validate(body, MODEL.operation_model(operation).input_shape)
    assert not report.has_errors(), report.generate_report()
