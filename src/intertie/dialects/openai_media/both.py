"""What `openai_chat` takes from here: the operations beside its own, their paths, and which of them come as forms."""

from intertie.core.endpoint import Operation

PATHS: dict[Operation, str] = {
    "rerank": "/rerank",
    "images": "/images/generations",
    "image_edits": "/images/edits",
    "speech": "/audio/speech",
    "transcription": "/audio/transcriptions",
    "translation": "/audio/translations",
    "moderations": "/moderations",
}

FORMS: frozenset[Operation] = frozenset(("image_edits", "transcription", "translation"))
"""Operations whose bodies may be forms; `image_edits` takes JSON as well."""
