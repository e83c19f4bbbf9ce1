"""A door: what a path means: which operation, in which dialect, and the model where the path names it."""

from typing import NamedTuple

from intertie.core.endpoint import Operation
from intertie.dialects.dialect import Inbound


class Door(NamedTuple):
    """See the module. `model` is "" where the body names it."""

    operation: Operation
    inbound: Inbound
    model: str = ""
