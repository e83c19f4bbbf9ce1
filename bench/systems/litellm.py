"""LiteLLM's proxy as `pip install litellm[proxy]` gives it: one worker, one model, a master key, no database."""

from bench.system import RIVALS, Launch, Place, free_port, pip_version

_FOLDER = RIVALS / "litellm"
_KEY = "sk-bench"
_CONFIGURATION = """\
model_list:
  - model_name: bench-model
    litellm_params: {{model: openai/bench-model, api_base: "{upstream}/v1", api_key: sk-upstream}}
general_settings: {{master_key: {key}}}
litellm_settings: {{telemetry: false}}
"""


class LiteLLM:
    """One uvicorn worker, which is its default."""

    name = "litellm"
    translates = False
    about = "1 worker (the default), 1 model, master key, no database, no callbacks, log level ERROR"

    def version(self) -> str | None:
        """As installed under bench/rivals."""
        return pip_version(_FOLDER, "litellm")

    def launch(self, place: Place) -> Launch | None:
        """Write its config.yaml; the price map is the one in the package, so it starts without the network."""
        port = free_port()
        path = place.folder / "litellm.yaml"
        path.write_text(_CONFIGURATION.format(upstream=place.upstream, key=_KEY))
        return Launch(
            [str(_FOLDER / "bin" / "litellm"), "--config", str(path), "--host", "127.0.0.1", "--port", str(port)],
            f"http://127.0.0.1:{port}",
            headers={"authorization": f"Bearer {_KEY}"},
            environment={"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"},
            ready_s=90.0,
        )


SYSTEM = LiteLLM()
