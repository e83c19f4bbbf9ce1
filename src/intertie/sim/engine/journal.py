"""What the engine truly did, one JSON line per request, so that a gateway's books can be held against it."""

import os

import msgspec


class Entry(msgspec.Struct, omit_defaults=True):
    """One request. `id` is the engine's own name for it, `request_id` the `x-request-id` it came with.

    `prompt_tokens` includes `cached_tokens` and what was `written_tokens` (for an hour: `written_1h_tokens`);
    `completion_tokens` were generated, thoughts included, whether or not they reached the caller; `aborted_at` is that
    count where the caller left (or was cut off) before the end. `images`, `audio_ms`, `characters` and `searches` are
    sold by the piece, `tier` is the service tier it was served in. `started` and `ended` are epoch seconds; `fault` the
    one that struck.
    """

    id: str
    started: float
    ended: float = 0.0
    request_id: str = ""
    path: str = ""
    model: str = ""
    stream: bool = False
    status: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    aborted_at: int | None = None
    fault: str = ""
    written_tokens: int = 0
    written_1h_tokens: int = 0
    reasoning_tokens: int = 0
    images: int = 0
    audio_ms: int = 0
    characters: int = 0
    searches: int = 0
    tier: str = ""


_encode = msgspec.json.Encoder().encode


class EngineJournal:
    """Appends entries to a file; an empty path keeps none."""

    def __init__(self, path: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o600) if path else None

    def write(self, entry: Entry) -> None:
        """Append one entry, in one write."""
        if self._file is not None:
            os.write(self._file, _encode(entry) + b"\n")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
