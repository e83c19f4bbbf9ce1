"""How a simulated engine is set up. Each option is declared here, and is a flag of `intertie engine sim`."""

from dataclasses import dataclass, field

from intertie.core.faults import ConfigFault
from intertie.sim.engine.batching import EngineSpeed
from intertie.sim.engine.faults import EngineFault, parse_fault


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """One engine. Raises ConfigFault where a value makes no sense."""

    port: int = 8000
    """Port to listen on; 0 takes a free one."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    model: tuple[str, ...] = ("simulated",)
    """Name under which the model is served; may be given several times."""
    context: int = 131_072
    """Tokens of prompt and answer together, bounded by the KV cache."""
    api_key: str = ""
    """Key that callers must bring; none if empty."""
    rtt_ms: float = 0.0
    """Round trip to this engine, as if it stood that far away; a new connection costs one more."""
    jitter_ms: float = 0.0
    """Mean jitter per round trip (exponential)."""
    seed: int = 0
    """Seed of jitter and of the faults' lots. What the model says depends on the request only."""
    fault: tuple[str, ...] = ()
    """Fault with its share of requests, like cut:3@0.1; may be given several times."""
    allow_faults: bool = False
    """Honour the header x-sim-fault and POST /sim/faults."""
    journal: str = ""
    """File that gets one JSON line per request: what was truly done."""
    speed: EngineSpeed = field(default_factory=EngineSpeed)
    """How fast and how large it is."""

    def __post_init__(self) -> None:
        if not self.model:
            raise ConfigFault("an engine needs at least one model name")
        if min(self.rtt_ms, self.jitter_ms) < 0 or self.context < 2 or not 0 <= self.port < 65_536:
            raise ConfigFault("rtt_ms and jitter_ms must not be negative; context must be 2 or more, port below 65536")
        self.faults()

    def faults(self) -> list[EngineFault]:
        """The faults, understood. Raises ConfigFault for one that is none."""
        try:
            return [parse_fault(text) for text in self.fault]
        except ValueError as error:
            raise ConfigFault(str(error)) from None
