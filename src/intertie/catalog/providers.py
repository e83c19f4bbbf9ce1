"""Providers and engines by name: where they listen, what they speak, where their keys are kept, where they depart."""

import re
from functools import cache
from typing import Literal

import msgspec
from genai_prices.data_snapshot import get_snapshot

from intertie.catalog.facts import Table, read
from intertie.core.endpoint import Dialect, Operation, Quirk

Field = Literal["region", "project"]
Gateway = Literal["litellm", "portkey", "openrouter"]

_OWN_WORD = re.compile(r"[A-Z]{2,}")
_LEFT_OPEN = re.compile(r"[-:/]$")
_OPERATIONS: tuple[tuple[str, Operation | None], ...] = (
    (r"embed", "embeddings"),
    (r"rerank", "rerank"),
    (r"moderation", "moderations"),
    (r"realtime|\blive\b|-live-|ocr", None),
    (r"tts|orpheus", "speech"),
    (r"whisper|transcri|voxtral-mini", "transcription"),
    (r"image|dall-e|imagen", "images"),
)


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """One provider or engine; `data/providers.yaml` says what each field means."""

    id: str
    name: str
    url: str
    source: str
    regions: dict[str, str] = {}
    dialect: Dialect = "openai_chat"
    keys: tuple[str, ...] = ()
    prices: str = ""
    operations: tuple[Operation, ...]
    needs: tuple[Field, ...] = ()
    jurisdiction: tuple[str, ...] = ()
    engine: str = ""
    own_models: bool = False
    chats: str = ""
    quirks: dict[Quirk, str] = {}
    names: dict[Gateway, tuple[str, ...]] = {}

    @property
    def cloud(self) -> bool:
        """Whether it is somebody else's, reached over the internet; an engine stands where its owner put it."""
        return not self.engine

    @property
    def own_word(self) -> str:
        """The part of the URL that is each customer's own, "" if there is none."""
        found = _OWN_WORD.search(self.url)
        return found[0] if found else ""

    def url_in(self, region: str, project: str) -> str:
        """The base URL in a region and project."""
        return self.regions.get(region) or self.url.format(region=region, project=project)

    def serving(self, model: str) -> "Preset":
        """The preset that serves a model, told by its name: this one, or the one that has its chats."""
        return presets()[self.chats] if self.chats and operation_of(model) == "chat" else self

    def called(self, gateway: Gateway) -> tuple[str, ...]:
        """What another gateway calls it."""
        return self.names.get(gateway, (self.id,))


class _Presets(Table, frozen=True, kw_only=True):
    rows: tuple[Preset, ...]


@cache
def presets() -> dict[str, Preset]:
    """All known providers and engines by id."""
    return {row.id: row for row in read("providers.yaml", _Presets).rows}


@cache
def checked() -> str:
    """The date on which somebody last looked at the table."""
    return read("providers.yaml", _Presets).checked.isoformat()


@cache
def called(gateway: Gateway) -> dict[str, Preset]:
    """The presets by the names that another gateway uses."""
    return {name: preset for preset in presets().values() for name in preset.called(gateway)}


def models_of(preset: Preset) -> dict[str, Operation]:
    """The models that genai-prices lists for a provider and does not call deprecated, each with what it does.

    What a model does is guessed from its name; names that are only the beginning of one, and models that need a
    connection of their own (realtime), are left out.
    """
    seller = next((seller for seller in get_snapshot().providers if preset.prices and seller.id == preset.prices), None)
    found: dict[str, Operation] = {}
    if seller is None:
        return found
    own = seller.model_match if preset.own_models else None
    only = preset.operations[0] if len(preset.operations) == 1 and "chat" not in preset.operations else None
    for model in seller.models:
        does = only or operation_of(model.id)
        good = not model.deprecated and not _LEFT_OPEN.search(model.id) and (own is None or own.is_match(model.id))
        if good and does is not None and does in preset.operations:
            found[model.id] = does
    return found


def seller_of(model: str) -> Preset | None:
    """The provider that makes a model of this name, by the patterns of genai-prices; None if none claims it."""
    for seller in get_snapshot().providers:
        pattern = seller.model_match
        if pattern is not None and pattern.is_match(model.lower()):
            return next((preset for preset in presets().values() if preset.prices == seller.id), None)
    return None


def operation_of(model: str) -> Operation | None:
    """What a model of this name most likely does; None for what no operation of ours reaches."""
    for pattern, operation in _OPERATIONS:
        if re.search(pattern, model, re.IGNORECASE):
            return operation
    return "chat"
