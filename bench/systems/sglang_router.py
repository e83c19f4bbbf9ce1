"""SGLang's router (Rust): no keys, no money; it spreads requests over workers, here one, by its cheapest policy."""

from bench.system import RIVALS, Launch, Place, free_port, pip_version

_FOLDER = RIVALS / "sglang-router"


class SGLangRouter:
    """Retries, circuit breaker and health checks stay on, as by default."""

    name = "sglang-router"
    translates = False
    about = "1 worker URL, --policy round_robin (its cheapest), log level warn"

    def version(self) -> str | None:
        """As installed under bench/rivals."""
        return pip_version(_FOLDER, "sglang_router")

    def launch(self, place: Place) -> Launch | None:
        """Flags only."""
        port, metrics = free_port(), free_port()
        binary = str(_FOLDER / "bin" / "sglang-router")
        arguments = [binary, "launch", "--host", "127.0.0.1", "--port", str(port), "--worker-urls", place.upstream]
        arguments += ["--policy", "round_robin", "--log-level", "warn"]
        arguments += ["--prometheus-host", "127.0.0.1", "--prometheus-port", str(metrics)]
        return Launch(arguments, f"http://127.0.0.1:{port}", ready_path="/readiness")


SYSTEM = SGLangRouter()
