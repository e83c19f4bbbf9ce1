"""`intertie import`: another gateway's configuration, written as one for this gateway."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from intertie.adapters.migration.draft import Imported
from intertie.adapters.migration.litellm import litellm as read_litellm
from intertie.adapters.migration.portkey import portkey as read_portkey
from intertie.catalog.providers import presets
from intertie.cli.screen import Json, complain, emit
from intertie.config.fields import nearest
from intertie.config.tree import MAX_BYTES
from intertie.core.clock import SystemClock
from intertie.core.faults import ConfigFault, InvalidRequest


def litellm(file: Path, *, output: Path | None = None, json: Json = False) -> int:
    """Turn a LiteLLM proxy's config.yaml into an intertie.yaml. What has no counterpart is told apart.

    Parameters
    ----------
    file
        The configuration to read.
    output
        Where to write; standard output, if not given. A file that exists is left alone.
    json
        Print one JSON object: `output`, `text` (without --output), `left` (`where`, `line`, `why`).
    """
    return _hand_over(read_litellm(_bytes(file), file, SystemClock.wall()), file, output, json)


def portkey(
    file: Path,
    *,
    model: str = "",
    name: str = "",
    provider: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    output: Path | None = None,
    json: Json = False,
) -> int:
    """Turn a config object of Portkey's gateway into an intertie.yaml. What has no counterpart is told apart.

    Parameters
    ----------
    file
        The config object, as JSON.
    model
        The model that callers name, for targets that override none.
    name
        What callers will send as `model`; else `model`, else the file's name.
    provider
        Which provider stands behind a virtual key or @integration, as openai-prod=openai; may be given often.
    output
        Where to write; standard output, if not given. A file that exists is left alone.
    json
        Print one JSON object: `output`, `text` (without --output), `left` (`where`, `line`, `why`).
    """
    return _hand_over(read_portkey(_bytes(file), file, model, name, _named(provider)), file, output, json)


def _bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidRequest(f"{file} cannot be read: {error.strerror}", param="file") from None
    if len(data) > MAX_BYTES:
        raise ConfigFault(f"larger than {MAX_BYTES >> 20} MiB", file=str(file))
    return data


def _named(pairs: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        slug, equals, name = pair.partition("=")
        if not equals or name not in presets():
            hint = nearest(name, list(presets())) or "see `intertie providers`"
            raise InvalidRequest(f"--provider {pair}: expected NAME=PROVIDER ({hint})", param="provider")
        found[slug.removeprefix("@")] = name
    return found


def _hand_over(made: Imported, file: Path, output: Path | None, json: bool) -> int:
    text = made.draft.text(file.name, made.left)
    if output is not None:
        _write(output, text)
    if json:
        emit(_told(made, output, text))
        return 0
    for each in made.left:
        complain(f"{file}:{each.line or 1}: {each.where}: {each.why}")
    if output is None:
        sys.stdout.write(text)
    return 0


def _told(made: Imported, output: Path | None, text: str) -> dict[str, Any]:
    return {"output": str(output) if output else None, "text": None if output else text, "left": made.left}


def _write(output: Path, text: str) -> None:
    """Write for the owner alone: there may be secrets in it. Raises InvalidRequest."""
    try:
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise InvalidRequest(f"{output} exists; remove it, or choose another --output", param="output") from None
    except OSError as error:
        raise InvalidRequest(f"{output} cannot be written: {error.strerror}", param="output") from None
    with os.fdopen(file, "w", encoding="utf-8") as opened:
        opened.write(text)
