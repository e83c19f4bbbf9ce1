"""What an answer rests on: Gemini's `groundingMetadata` and the citations of `core.chat`, both ways.

Gemini counts the ends of a segment in bytes of its part, `core.chat` in characters.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from intertie.core.chat import Citation, Text
from intertie.dialects.gemini.glance import Grounding, Segment

_MOST = 128  # of an answer's sources: more than any search brings


def citations_of(grounding: Grounding, texts: Sequence[str]) -> Iterator[tuple[int, Citation]]:
    """The part and the citation of each segment. `texts` are the parts' own, "" where a part has none or is gone."""
    chunks = grounding.grounding_chunks or []
    for support in (grounding.grounding_supports or [])[:_MOST]:
        segment = support.segment or Segment()
        part = segment.part_index or 0
        for index in (support.grounding_chunk_indices or [])[:_MOST]:
            source = chunks[index] if 0 <= index < len(chunks) else None
            found = source and (source.web or source.retrieved_context or source.maps)
            if found:
                text = texts[part] if 0 <= part < len(texts) else ""
                start, end = _characters(segment, text)
                yield (
                    part,
                    Citation(
                        url=found.uri or "", title=found.title or "", quote=segment.text or "", start=start, end=end
                    ),
                )


def _characters(segment: Segment, text: str) -> tuple[int, int]:
    """The ends in characters; -1 where the text is not at hand or has no such place."""
    body, start, end = text.encode(), segment.start_index or 0, segment.end_index or 0
    if not 0 <= start < end <= len(body):
        return -1, -1
    return len(body[:start].decode("utf-8", "ignore")), len(body[:end].decode("utf-8", "ignore"))


def grounding_of(texts: Iterable[tuple[int, Text]]) -> dict[str, Any]:
    """The `groundingMetadata` of texts, each with its part's place; {} where nothing is cited."""
    chunks: dict[tuple[str, str], int] = {}
    supports: list[dict[str, Any]] = []
    for part, text in texts:
        for citation in text.citations:
            place = chunks.setdefault((citation.url, citation.title), len(chunks))
            supports.append({"segment": _segment(part, text.text, citation), "groundingChunkIndices": [place]})
    if not supports:
        return {}
    sources = [{"web": {"uri": url, "title": title}} for url, title in chunks]
    return {"groundingMetadata": {"groundingChunks": sources, "groundingSupports": supports}}


def _segment(part: int, text: str, citation: Citation) -> dict[str, Any]:
    written: dict[str, Any] = {"partIndex": part}
    if 0 <= citation.start < citation.end <= len(text):
        written["startIndex"] = len(text[: citation.start].encode())
        written["endIndex"] = len(text[: citation.end].encode())
        written["text"] = text[citation.start : citation.end]
    elif citation.quote:
        written["text"] = citation.quote
    return written
