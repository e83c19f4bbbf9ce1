"""`intertie engine sim`: a simulated engine, for tests, demonstrations and measurements."""

from typing import Annotated

import uvloop
from cyclopts import Parameter

from intertie.cli.screen import complain, emit, out
from intertie.sim.engine.fleet import RunningEngine, serve_engine
from intertie.sim.engine.options import EngineOptions

CANNOT_START = 2


def engine_sim(*, options: Annotated[EngineOptions | None, Parameter(name="*")] = None, json: bool = False) -> int:
    """Serve a simulated engine until stopped. No model stands behind it.

    It speaks as OpenAI (chat, Responses, media), Azure, Anthropic, Gemini, Vertex AI, Bedrock and Cohere do, each at
    its own paths, and refuses what they refuse. With `--allow-faults` the last user may ask it for one in the midst of
    words: `{{sim fault=cut:3 tokens=40}}`.

    Exit codes: 2 if it cannot listen or write its journal, 130 on Ctrl-C.

    Parameters
    ----------
    json:
        Tell where it listens as one JSON object.
    """
    options = options or EngineOptions()

    def ready(engine: RunningEngine) -> None:
        if json:
            emit({"simulated": True, "url": engine.url, "port": engine.port, "models": options.model})
        else:
            out().print(f"simulated engine: {', '.join(options.model)} at {engine.url} (no model stands behind it)")

    try:
        uvloop.run(serve_engine(options, ready=ready))
    except OSError as error:
        complain(f"the simulated engine cannot start: {error}")
        return CANNOT_START
    return 0
