"""What a request consumed: tokens and whatever else is sold, as the upstream told it or as we estimated it."""

import msgspec


class Usage(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What one request used. `prompt` includes `cached` and what was `written`; `completion` includes `reasoning`.

    That is OpenAI's counting; a dialect that counts otherwise is added up when it is read. `written` and `written_1h`
    are tokens put into a cache for five minutes and for an hour; `audio_in`, `image_in` (of the prompt), `audio_out`
    and `image_out` (of the completion) are tokens of another kind than text. `images`, `audio_ms`, `characters`,
    `pages` and `searches` are sold by the piece. `tier` is the service tier that was really used, "" for the standard.
    `estimated` is true where no upstream figure arrived (a cancel, a cut) and the gateway counted by itself.
    """

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0
    estimated: bool = False
    written: int = 0
    written_1h: int = 0
    audio_in: int = 0
    audio_out: int = 0
    image_in: int = 0
    image_out: int = 0
    images: int = 0
    audio_ms: int = 0
    characters: int = 0
    pages: int = 0
    searches: int = 0
    tier: str = ""

    @property
    def pieces(self) -> bool:
        """Whether anything was used that is sold by the piece."""
        return bool(self.images or self.audio_ms or self.characters or self.pages or self.searches)

    @property
    def plain(self) -> bool:
        """Whether it is nothing but text: tokens of the prompt, read from the cache or not, and of the completion."""
        return not (
            self.written or self.written_1h or self.audio_in or self.audio_out or self.image_in or self.image_out
            or self.images or self.audio_ms or self.characters or self.pages or self.searches
        )  # fmt: skip


NOTHING = Usage()
