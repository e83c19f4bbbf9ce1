"""Portkey's open gateway on Node.js, told by headers where the upstream is."""

import json

from bench.system import RIVALS, Launch, Place, free_port

_PACKAGE = RIVALS / "portkey" / "node_modules" / "@portkey-ai" / "gateway"


class Portkey:
    """One process, no console. Its 1.15.2 answers streams with 500 on Node.js (Portkey-AI/gateway issue 1550)."""

    name = "portkey"
    translates = False
    about = "1 process, headless, provider and upstream by header, no retries, no cache"

    def version(self) -> str | None:
        """As installed under bench/rivals."""
        manifest = _PACKAGE / "package.json"
        return str(json.loads(manifest.read_text())["version"]) if manifest.exists() else None

    def launch(self, place: Place) -> Launch | None:
        """It has no configuration file: all is in the headers of each request."""
        port = free_port()
        return Launch(
            ["node", str(_PACKAGE / "build" / "start-server.js"), f"--port={port}", "--headless"],
            f"http://127.0.0.1:{port}",
            headers={
                "authorization": "Bearer sk-bench",
                "x-portkey-provider": "openai",
                "x-portkey-custom-host": f"{place.upstream}/v1",
            },
            ready_path="/",
        )


SYSTEM = Portkey()
