"""What a request consumed, in tokens, as the upstream reported it or as we estimated it."""

import msgspec


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens of one request. `prompt` includes `cached`; `completion` includes `reasoning` (OpenAI's counting).

    `estimated` is true where no upstream figure arrived (a cancel, a cut) and the gateway counted by itself.
    """

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0
    estimated: bool = False


NOTHING = Usage()
