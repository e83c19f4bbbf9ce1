"""Where one of LiteLLM's models is served: its provider, address, key, region, and the name it has there."""

import re

import msgspec

from intertie.adapters.migration.draft import ELSEWHERE, Entry
from intertie.adapters.migration.foreign import Section, Variables
from intertie.catalog.providers import Preset, called, presets, seller_of
from intertie.core.endpoint import Operation

_BARE_OPENAI = re.compile(
    r"(ft:)?(gpt-|chatgpt-|o[134]\b|text-embedding-|dall-e-|tts-|whisper-|(omni|text)-moderation|(babbage|davinci)-)"
)
_AWS_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_BEDROCK_WAYS = ("converse/", "invoke/", "converse_like/")


class Place(msgspec.Struct, frozen=True):
    """`model` is the provider's name for it, `entry` what an endpoint says of the place, `label` a word for its id."""

    preset: Preset | None
    model: str
    entry: Entry
    operation: Operation | None = None

    @property
    def label(self) -> str:
        """The provider's id, or a word for none."""
        return self.preset.id if self.preset else "own"


def place_of(model: str, params: Section, credential: Section | None, variables: Variables) -> Place | None:
    """The place of `provider/name` or of a bare name; None if nobody can tell who serves it.

    Takes from `params`, and from the named credential where they say nothing: the provider, the base URL, the key, the
    version of the API and the region.
    """
    given = _Given(params, credential, variables)
    found = _provider(model, given.plain("custom_llm_provider"))
    base = given.plain("api_base") or given.plain("base_url")
    if found is None:
        if not base or not model:
            return None
        params.say("api_base", "it is taken to speak OpenAI's dialect")
        return Place(None, model.partition("/")[2] or model, _own(base, given, params))
    preset, name = found
    preset = preset if "*" in name else preset.serving(name)
    operation: Operation | None = "completions" if model.startswith("text-completion-openai/") else None
    if base and preset.id == "openai" and "api.openai.com" not in base:
        return Place(None, name, _own(base, given, params), operation)
    name, cloud = _in_cloud(preset, name, given)
    entry = {"provider": preset.id, **_address(preset, base), **cloud, **_key(preset, given)}
    return Place(preset, name, entry, operation)


class _Given:
    """What an entry says, or the credential that it names."""

    def __init__(self, params: Section, credential: Section | None, variables: Variables) -> None:
        self._params, self._credential, self._variables = params, credential, variables

    def text(self, key: str) -> str:
        own = self._params.text(key)
        return own or (self._credential.text_of(key) if self._credential else "")

    def plain(self, key: str) -> str:
        text = self.text(key)
        return self._variables.plain(text) if text else ""

    def secret(self, key: str) -> str:
        text = self.text(key)
        return self._variables.secret(text) if text else ""


def _provider(model: str, provider: str) -> tuple[Preset, str] | None:
    known = called("litellm")
    prefix, slash, rest = model.partition("/")
    if provider in known:
        return known[provider], rest if prefix == provider else model
    if slash:
        return (known[prefix], rest) if prefix in known else None
    maker = presets()["openai"] if _BARE_OPENAI.match(model) else seller_of(model) if "*" not in model else None
    return None if maker is None else (maker, model)


def _own(base: str, given: _Given, params: Section) -> Entry:
    key = given.secret("api_key")
    if not key:
        params.say("api_base", "no key is sent there; LiteLLM would send OPENAI_API_KEY if that is set")
    return {"site": ELSEWHERE, "url": _trimmed(base), "credential": key}


def _address(preset: Preset, base: str) -> Entry:
    if not preset.cloud:
        native = preset.id == "ollama" and base and not _trimmed(base).endswith("/v1")
        return {"site": ELSEWHERE, "url": _trimmed(base) + ("/v1" if native else "")}
    if preset.own_word and not base:
        return {"url": "${AZURE_API_BASE}"}
    return {"url": _trimmed(base) if not _same(base, preset.url) else ""}


def _key(preset: Preset, given: _Given) -> Entry:
    parts = [given.plain(name) for name in ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")]
    usual = ("${AWS_ACCESS_KEY_ID}", "${AWS_SECRET_ACCESS_KEY}")
    if preset.id == "bedrock" and parts[0] and parts[1]:
        return {} if tuple(parts[:2]) == usual else {"credential": ":".join(part for part in parts if part)}
    key = given.secret("api_key")
    return {} if preset.keys and key == f"env:{preset.keys[0]}" else {"credential": key}


def _in_cloud(preset: Preset, name: str, given: _Given) -> tuple[str, Entry]:
    if preset.id == "azure":
        return name, {"api_version": given.plain("api_version")}
    if preset.id == "vertex":
        place = given.plain("vertex_location") or given.plain("vertex_ai_location") or "us-central1"
        project = given.plain("vertex_project") or given.plain("vertex_ai_project") or "${VERTEXAI_PROJECT}"
        return name, {"region": place, "project": project}
    if preset.id == "bedrock":
        return _in_bedrock(name, given)
    return name, {}


def _in_bedrock(name: str, given: _Given) -> tuple[str, Entry]:
    region = given.plain("aws_region_name")
    for way in _BEDROCK_WAYS:
        name = name.removeprefix(way)
    first, _, rest = name.partition("/")
    if rest and _AWS_REGION.fullmatch(first):
        region, name = region or first, rest
    return name, {"region": region or "${AWS_REGION:-us-west-2}"}


def _trimmed(base: str) -> str:
    return base.rstrip("/")


def _same(base: str, url: str) -> bool:
    return not base or url.startswith(_trimmed(base)) or _trimmed(base) == url
