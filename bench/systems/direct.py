"""No system at all: callers speak to the upstream. What the others add is measured against it."""

from bench.system import Launch, Place


class Direct:
    """Straight to the upstream."""

    name = "direct"
    translates = False
    about = "callers speak to the shared upstream; the rate is the most that generator and upstream can do"

    def version(self) -> str | None:
        """It is always there."""
        return "-"

    def launch(self, place: Place) -> Launch | None:
        """Nothing is to be started."""
        return None


SYSTEM = Direct()
