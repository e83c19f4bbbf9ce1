"""Reading the data files of this folder: YAML with a source and the date on which somebody checked it."""

from datetime import date
from importlib.resources import files
from typing import TypeVar

import msgspec

T = TypeVar("T")


class Table(msgspec.Struct, frozen=True):
    """What every data file says of itself; where rows have sources of their own, `source` is empty."""

    checked: date
    source: str = ""
    licence: str = ""


def read(name: str, kind: type[T]) -> T:
    """A data file as a value; raises msgspec.ValidationError if the file is not of that kind."""
    return msgspec.yaml.decode(files("intertie.catalog").joinpath("data", name).read_bytes(), type=kind)
