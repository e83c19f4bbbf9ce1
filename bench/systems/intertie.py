"""Intertie itself, doing all of its work: a key, a budget, limits, a choice among eight endpoints, the journal.

The eight endpoints are eight sites of the configuration that all lead to the shared upstream. Budget and limits are
real and far away: every request takes its holds and gives them back, and none is refused.
"""

import sys
from pathlib import Path

from bench.system import Launch, Place, free_port
from bench.upstream import MODEL
from intertie import __version__
from intertie.policy.keys import write_key

_KEY = write_key(bytes(range(32)))
_BINARY = Path(sys.executable).parent / "intertie"
_HEAD = """\
gateway:
  {{host: 127.0.0.1, port: {port}, control_port: {control}, health_port: {health}, state: "{folder}/state", workers: 1,
   log_requests: false, here: site-0}}
models:
  - {{name: {model}, context: 131072, quality: 0.5}}
groups:
  - {{name: bench, models: [{model}], budget: {{usd: 1000000, per: month}},
     limits: {{rpm: 1000000000, tpm: 1000000000000, concurrent: 100000}}}}
keys:
  - {{name: bench, group: bench, value: "{key}"}}
"""
_SITE = (
    "  - {{id: site-{n}, tier: regional, at: [{latitude}, {longitude}], jurisdiction: [EU], zone: DE, rtt_ms: {rtt}}}\n"
)
_ENDPOINT = """\
  - {{id: endpoint-{n}, site: site-{n}, model: {model}, url: "{upstream}/v1", accelerator: {{type: h100, count: 1}},
     price: {{input: 0.15, output: 0.60, cached: 0.075}}}}
"""


def configuration(place: Place, port: int, control: int, health: int) -> str:
    """The intertie.yaml that is measured."""
    head = _HEAD.format(port=port, control=control, health=health, folder=place.folder, model=MODEL, key=_KEY)
    sites = [_SITE.format(n=n, latitude=45 + n, longitude=5 + n, rtt=1.0 + n / 10) for n in range(8)]
    endpoints = [_ENDPOINT.format(n=n, model=MODEL, upstream=place.upstream) for n in range(8)]
    return "".join((head, "sites:\n", *sites, "endpoints:\n", *endpoints))


class Intertie:
    """Supervisor, one worker and the control process; the worker alone carries requests."""

    name = "intertie"
    translates = True
    about = (
        "1 worker; key, budget, three limits, choice among 8 endpoints, journal (fsync every 50 ms); request log off"
    )

    def version(self) -> str | None:
        """That of the checkout."""
        return __version__ if _BINARY.exists() else None

    def launch(self, place: Place) -> Launch | None:
        """Write intertie.yaml into the folder."""
        port = free_port()
        path = place.folder / "intertie.yaml"
        path.write_text(configuration(place, port, free_port(), free_port()))
        return Launch(
            [str(_BINARY), "serve", "--config", str(path)],
            f"http://127.0.0.1:{port}",
            headers={"authorization": f"Bearer {_KEY}"},
            in_plane=lambda process: "intertie.compose.worker" in process.command,
            ready_path="/readyz",
        )


SYSTEM = Intertie()
