"""However words of a configuration are swapped, compiling ends in a snapshot that holds together, or in faults."""

import re
from importlib.resources import files
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intertie.config.document import configured
from intertie.config.snapshot import Snapshot, pack, unpack
from intertie.control.compile import compile_document
from intertie.core.faults import ConfigFaults

WORLD = files("intertie.catalog").joinpath("data", "demo_world.yaml").read_text() + (
    "users: [{name: ann, budget: {usd: 3}}]\n"
    "keys: [{name: dev, value: secret, group: interns, user: ann, project: demo, limits: {rpm: 5}}]\n"
    "budgets: [{on: 'model:qwen3-8b', usd: 9, per: week}, {on: 'key:dev', model: llama-3.3-70b, usd: 2}]\n"
    "objectives: [{name: support, weights: {ttft: 1}}]\n"
)
PORTS = ("FRA", "STO", "PAR", "IAD", "PDX", "SIN", "IAD_70B", "PDX_70B", "SIN_70B")
BODY = re.sub(r"#.*", "", WORLD)
WORDS = [(match.start(), match.end()) for match in re.finditer(r"[A-Za-z0-9][\w.-]*", BODY)]
swaps = st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(WORDS)), min_size=1, max_size=3)


def holds_together(snapshot: Snapshot) -> None:
    models = {endpoint.model for endpoint in snapshot.endpoints.values()}
    assert all(endpoint.site in snapshot.sites for endpoint in snapshot.endpoints.values())
    for route in snapshot.routes.values():
        assert {*route.candidates, *route.fallback} <= models
        assert not route.objective or route.objective in snapshot.objectives
    for principal in snapshot.keys.values():
        assert set(principal.meters) <= snapshot.meters.keys()
        assert len(set(principal.meters)) == len(principal.meters)
        assert principal.models is None or principal.models <= models | snapshot.routes.keys()
    assert all(meter.cap >= 0 for meter in snapshot.meters.values())
    assert unpack(pack(snapshot)) == snapshot


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(swaps)
def test_a_snapshot_holds_together_whatever_was_written(
    tmp_path: Path, swaps: list[tuple[tuple[int, int], tuple[int, int]]]
) -> None:
    text = BODY
    for (start, end), (from_start, from_end) in sorted(swaps, reverse=True):
        text = text[:start] + BODY[from_start:from_end] + text[end:]
    path = tmp_path / "intertie.yaml"
    path.write_text(text)
    try:
        chosen, document = configured({"config": str(path)}, {f"SIM_{port}": "9000" for port in PORTS})
        compiled = compile_document(document, chosen, (), b"p" * 32, 1_795_000_000_000)
    except ConfigFaults as faults:
        assert faults.faults
        return
    holds_together(compiled.snapshot)
