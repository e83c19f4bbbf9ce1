"""The blocks of an answer, as tolerant as an answer is read: what is unknown in them is left alone."""

import msgspec

from intertie.core.chat import Citation

NO_INPUT = msgspec.Raw()


class Citing(msgspec.Struct):
    """A citation of any kind; what it points to has another name in each."""

    cited_text: str | None = ""
    title: str | None = ""
    document_title: str | None = ""
    url: str | None = ""
    source: str | None = ""


class AnswerBlock(msgspec.Struct):
    """A block of any kind; `type` says which of the fields it has."""

    type: str
    text: str | None = ""
    thinking: str | None = ""
    signature: str | None = ""
    data: str | None = ""
    id: str | None = ""
    name: str | None = ""
    input: msgspec.Raw = NO_INPUT
    citations: list[Citing] | None = None


class StopDetails(msgspec.Struct):
    """Why the endpoint refused, for people."""

    explanation: str | None = ""


def to_citation(citing: Citing) -> Citation:
    """A citation in the words of all dialects; which characters cite is not told by Anthropic."""
    return Citation(
        url=citing.url or citing.source or "",
        title=citing.title or citing.document_title or "",
        quote=citing.cited_text or "",
    )


def from_citation(citation: Citation) -> dict[str, str | None]:
    """A citation in the one of Anthropic's shapes that points to an address; there is no index to replay it by."""
    return {
        "type": "web_search_result_location",
        "cited_text": citation.quote,
        "encrypted_index": "",
        "title": citation.title or None,
        "url": citation.url,
    }
