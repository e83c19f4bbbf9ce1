"""Writes pictures, sounds and documents: by value alone, each in one of the formats that Converse has."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from intertie.core.chat import Audio, Document, Image, Media
from intertie.dialects.dialect import Cannot

Json: TypeAlias = dict[str, Any]

_IMAGES: Mapping[str, str] = MappingProxyType({
    "image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp",
})  # fmt: skip
_SOUNDS: Mapping[str, str] = MappingProxyType({
    "audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav",
    "audio/aac": "aac", "audio/flac": "flac", "audio/ogg": "ogg", "audio/opus": "opus", "audio/mp4": "m4a",
    "audio/pcm": "pcm", "audio/webm": "webm",
})  # fmt: skip
_OFFICE = "application/vnd.openxmlformats-officedocument"
_DOCUMENTS: Mapping[str, str] = MappingProxyType({
    "application/pdf": "pdf", "text/csv": "csv", "text/html": "html", "text/plain": "txt", "text/markdown": "md",
    "application/msword": "doc", f"{_OFFICE}.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls", f"{_OFFICE}.spreadsheetml.sheet": "xlsx",
})  # fmt: skip

_LONGEST_NAME = 190  # of 200: a number may follow
_suffix = re.compile(r"\.[A-Za-z0-9]{1,5}$")
_unnamed = re.compile(r"[^A-Za-z0-9()\[\]-]+")


class MediaWriter:
    """Remembers the names of documents: Converse wants each but once in a call."""

    __slots__ = ("_cannot", "_named")

    def __init__(self, cannot: Cannot) -> None:
        self._cannot = cannot
        self._named: set[str] = set()

    def block(self, part: Image | Audio | Document) -> Json | None:
        """The block; None where it was noted as dropped. How closely a picture is to be looked at is not said."""
        match part:
            case Image():
                return self._block("image", _IMAGES.get(part.media.type, ""), part.media)
            case Audio():
                return self._audio(part)
            case Document():
                return self._document(part)

    def _block(self, kind: str, form: str, media: Media) -> Json | None:
        if not media.data:
            self._cannot.say("turns", f"Bedrock takes {kind}s by value, and fetches none")
        elif not form:
            self._cannot.say("turns", f"Bedrock has no form of {kind} '{media.type[:64]}'")
        else:
            return {kind: {"format": form, "source": {"bytes": media.data}}}
        return None

    def _audio(self, part: Audio) -> Json | None:
        if part.id and part.transcript:
            return {"text": part.transcript}  # the sound is with the endpoint that made it
        return self._block("audio", _SOUNDS.get(part.media.type, ""), part.media)

    def _document(self, part: Document) -> Json | None:
        suffix = part.title.rpartition(".")[2].lower()
        form = _DOCUMENTS.get(part.media.type) or (suffix if suffix in _DOCUMENTS.values() else "")
        block = self._block("document", form, part.media)
        if block is not None:
            block["document"]["name"] = self._name(part.title)
            if part.context:
                block["document"]["context"] = part.context
            if part.cite:
                block["document"]["citations"] = {"enabled": True}
        return block

    def _name(self, title: str) -> str:
        """Letters, digits, single spaces, hyphens, brackets; never the same twice."""
        plain = _unnamed.sub(" ", _suffix.sub("", title)).strip()[:_LONGEST_NAME] or "document"
        name, number = plain, 1
        while name in self._named:
            number += 1
            name = f"{plain} {number}"
        self._named.add(name)
        return name
