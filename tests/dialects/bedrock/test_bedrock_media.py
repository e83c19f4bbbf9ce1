"""Pictures, sounds and documents, written for Converse."""

import pytest
from aws_samples import chat, dropped, written

from intertie.core.chat import Audio, Document, Image, Media, Text
from intertie.core.faults import Unsupported

PDF = Media(type="application/pdf", data="JVBERi0=")
OFFICE = "application/vnd.openxmlformats-officedocument"


def blocks(*parts: Image | Audio | Document) -> list[dict[str, dict[str, object]]]:
    return written(chat(*parts))["messages"][0]["content"]


@pytest.mark.parametrize(
    ("kind", "form"),
    [("image/png", "png"), ("image/jpeg", "jpeg"), ("image/gif", "gif"), ("image/webp", "webp")],
)
def test_pictures_go_by_value(kind: str, form: str) -> None:
    picture = Image(Media(type=kind, data="aQ=="), detail="high")
    assert blocks(picture) == [{"image": {"format": form, "source": {"bytes": "aQ=="}}}]


@pytest.mark.parametrize(
    "part",
    [
        Image(Media(url="https://example.com/a.png")),
        Image(Media(type="image/bmp", data="aQ==")),
        Image(Media(file="file-1")),
        Document(Media(url="https://example.com/a.pdf")),
        Document(Media(type="application/zip", data="UEs=")),
        Document(Media(data="UEs=")),
        Audio(Media(type="audio/midi", data="TVRo")),
        Audio(Media(), id="audio_1"),
    ],
)
def test_what_bedrock_cannot_take_is_refused_or_noted(part: Image | Audio | Document) -> None:
    asked = chat(Text("look"), part, spelling={"turns": "messages"})
    with pytest.raises(Unsupported) as refused:
        written(asked)
    assert refused.value.param == "messages"
    body, names = dropped(asked)
    assert names == ["messages"]
    assert body["messages"][0]["content"] == [{"text": "look"}]


def test_sounds_go_by_value_and_those_of_earlier_answers_as_their_words() -> None:
    assert blocks(Audio(Media(type="audio/wav", data="UklG")), Audio(Media(), transcript="hello", id="audio_1")) == [
        {"audio": {"format": "wav", "source": {"bytes": "UklG"}}},
        {"text": "hello"},
    ]


@pytest.mark.parametrize(
    ("kind", "title", "form"),
    [
        ("application/pdf", "", "pdf"),
        ("text/plain", "a.md", "txt"),
        ("text/markdown", "", "md"),
        (f"{OFFICE}.wordprocessingml.document", "", "docx"),
        ("", "figures.XLSX", "xlsx"),
        ("application/octet-stream", "a.csv", "csv"),
    ],
)
def test_documents_go_by_value_in_a_form_that_is_known(kind: str, title: str, form: str) -> None:
    document = blocks(Document(Media(type=kind, data="eA=="), title))[0]["document"]
    assert (document["format"], document["source"]) == (form, {"bytes": "eA=="})


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("", "document"),
        ("report.pdf", "report"),
        ("John's  report_v1.2 (final)[3].pdf", "John s report v1 2 (final)[3]"),
        ("résumé\u3000— 2026.pdf", "r sum 2026"),
        ("分析.pdf", "document"),
        ("x" * 300, "x" * 190),
    ],
)
def test_documents_have_names_that_bedrock_accepts(title: str, name: str) -> None:
    assert blocks(Document(PDF, title))[0]["document"]["name"] == name


def test_no_two_documents_of_a_call_have_the_same_name() -> None:
    three = [Document(PDF), Document(PDF, "document 2"), Document(PDF, "document.pdf")]
    names = [one["document"]["name"] for one in blocks(*three)]
    assert names == ["document", "document 2", "document 3"]


def test_citations_and_context_are_asked_for() -> None:
    document = blocks(Document(PDF, "a", context="from 2026", cite=True))[0]["document"]
    assert (document["context"], document["citations"]) == ("from 2026", {"enabled": True})
