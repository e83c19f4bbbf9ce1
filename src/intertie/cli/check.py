"""`intertie check`: say all that is wrong with a configuration, or what it amounts to."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from intertie.cli.prices import price_told
from intertie.cli.screen import complain, emit, out, show_table
from intertie.config.document import configured
from intertie.config.settings import environment
from intertie.config.snapshot import Snapshot
from intertie.control.compile import Compiled, compile_document
from intertie.core.clock import SystemClock
from intertie.core.endpoint import Endpoint
from intertie.core.faults import ConfigFault, ConfigFaults
from intertie.policy.keys import PEPPER_BYTES


def check(file: Path = Path("intertie.yaml"), *, json: bool = False) -> int:
    """Validate a configuration without starting anything. Exit code 0: valid, 1: not.

    Parameters
    ----------
    file
        The configuration to read, with all it includes.
    json
        Print one JSON object: `valid`, `problems`, `warnings`, `summary`.
    """
    try:
        compiled = inspect(file)
    except ConfigFault as fault:
        problems = fault.faults if isinstance(fault, ConfigFaults) else (fault,)
        _show_problems(file, problems, json)
        return 1
    if json:
        emit(_report(True, (), compiled.warnings, summary(compiled.snapshot)))
    else:
        _show_summary(file, compiled)
    return 0


def inspect(file: Path) -> Compiled:
    """Read and compile a configuration as the control process would, apart from stored keys. Raises ConfigFault."""
    settings, document = configured({"config": str(file)}, environment())
    return compile_document(document, settings, (), bytes(PEPPER_BYTES), int(SystemClock.wall() * 1_000))


def summary(snapshot: Snapshot) -> dict[str, Any]:
    """What a configuration amounts to: counts, and each model with its endpoints and prices."""
    models: dict[str, list[dict[str, Any]]] = {}
    for endpoint in snapshot.endpoints.values():
        models.setdefault(endpoint.model, []).append(_endpoint(endpoint))
    return {
        "sites": len(snapshot.sites),
        "endpoints": len(snapshot.endpoints),
        "models": models,
        "routes": sorted(snapshot.routes),
        "objectives": sorted(snapshot.objectives),
        "keys": len(snapshot.keys),
        "meters": sorted(snapshot.meters),
    }


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "endpoint": endpoint.id,
        "site": endpoint.site,
        **price_told(endpoint.price),
        "simulated": endpoint.simulated,
    }


def _report(
    valid: bool, problems: Sequence[ConfigFault], warnings: Sequence[ConfigFault], what: dict[str, Any] | None
) -> dict[str, Any]:
    return {
        "valid": valid,
        "problems": [_problem(fault) for fault in problems],
        "warnings": [_problem(fault) for fault in warnings],
        "summary": what,
    }


def _problem(fault: ConfigFault) -> dict[str, Any]:
    return {"file": fault.file, "line": fault.line, "problem": fault.problem, "hint": fault.hint}


def _show_problems(file: Path, problems: Sequence[ConfigFault], json: bool) -> None:
    if json:
        emit(_report(False, problems, (), None))
        return
    for problem in problems:
        out().print(problem.message, markup=False)
    complain(f"{file} cannot be used: {len(problems)} {'problem' if len(problems) == 1 else 'problems'}")


def _show_summary(file: Path, compiled: Compiled) -> None:
    what = summary(compiled.snapshot)
    rows = [
        (model, row["endpoint"], row["site"], *_price_columns(row))
        for model, endpoints in what["models"].items()
        for row in endpoints
    ]
    if rows:
        show_table("Models", ("model", "endpoint", "site", "$/M in", "$/M out", "price from"), rows)
    for warning in compiled.warnings:
        out().print(f"warning: {warning.message}", markup=False)
    counts = ", ".join(f"{name} {what[name]}" for name in ("sites", "endpoints", "keys"))
    more = f"models {len(what['models'])}, routes {len(what['routes'])}, budgets and limits {len(what['meters'])}"
    out().print(f"{file} is valid: {counts}, {more}", markup=False)


def _price_columns(row: dict[str, Any]) -> tuple[str, str, str]:
    source = row["price_source"] or "unknown"
    amounts = [row["input_usd_per_million"], row["output_usd_per_million"]]
    shown = ["-" if amount is None else f"{float(amount):.4f}" for amount in amounts]
    return shown[0], shown[1], f"{source} (simulated)" if row["simulated"] else source
