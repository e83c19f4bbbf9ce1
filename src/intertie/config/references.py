"""References in the file to what stands elsewhere: `${NAME}` in any value; for secrets `env:NAME`, `file:PATH`, and
those that somebody else keeps, which are only recognised here and read by the control process (`control.secrets`).
"""

import re
from collections.abc import Mapping
from pathlib import Path

_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|\$\{")
_MAX_SECRET = 64 * 1024
_KEPT_ELSEWHERE = {
    "vault": (r"[^/#?][^#?]*/[^/#?][^#?]*(#[^#]+)?", "vault:MOUNT/PATH#FIELD"),
    "aws-sm": (r"[\w/+=.@:-]+(#[^#]+)?", "aws-sm:NAME#FIELD, NAME being a name or an ARN"),
    "gcp-sm": (
        r"projects/[^/#]+/(locations/[^/#]+/)?secrets/[^/#]+(/versions/[^/#]+)?(#[^#]+)?",
        "gcp-sm:projects/PROJECT/secrets/NAME/versions/latest",
    ),
    "azure-kv": (r"[\w.-]+/[\w-]+(/[0-9a-f]+)?(#[^#]+)?", "azure-kv:VAULT/NAME"),
    "identity": (r"(aws|gcp|azure)(\?[^#]*)?", "identity:aws, identity:gcp or identity:azure"),
}
"""Schemes of secrets that are asked for over the network: what follows the colon, and how it is told to people."""


def expand(text: str, environ: Mapping[str, str]) -> str:
    """`${NAME}` and `${NAME:-default}` replaced from the environment; `$${` stands for a literal `${`.

    Raises ValueError for a name that is not set and has no default, and for a `${` that names nothing.
    """

    def value(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        name, default = match["name"], match["default"]
        if name is None:
            raise ValueError("${ begins no reference: write ${NAME} or ${NAME:-default}, or $${ for the text itself")
        found = environ.get(name) or default
        if found is None:
            raise ValueError(f"the environment has no {name}: set it, or write ${{{name}:-default}}")
        return found

    return _REFERENCE.sub(value, text)


def kept_elsewhere(reference: str) -> bool:
    """Whether a reference stands for a secret that must be asked for over the network.

    Raises ValueError, which says how it is written, if it begins like one and goes on otherwise.
    """
    scheme, colon, rest = reference.partition(":")
    form = _KEPT_ELSEWHERE.get(scheme) if colon else None
    if form is None:
        return False
    pattern, told = form
    if not re.fullmatch(pattern, rest):
        raise ValueError(f"{scheme}: is written {told}")
    return True


def secret(reference: str, environ: Mapping[str, str], folder: Path) -> str:
    """The secret a reference stands for; a text without a known scheme is the secret itself.

    `folder` is where a relative `file:` path begins. Raises ValueError, which never repeats a secret, also for one that
    is kept elsewhere: whoever reads those has no use for this function.
    """
    scheme, _, rest = reference.partition(":")
    if kept_elsewhere(reference):
        raise ValueError(f"{scheme}: is for the lists of intertie.yaml, not for settings; use env:NAME or file:PATH")
    if scheme == "env":
        found = environ.get(rest, "").strip()
        if not found:
            raise ValueError(f"the environment has no {rest}")
        return one_line(found, rest)
    return _file_secret(folder / rest) if scheme == "file" else reference


def _file_secret(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_SECRET + 1)
        text = data.decode().strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ValueError(f"{path} cannot be read: {reason}") from None
    return one_line("" if len(data) > _MAX_SECRET else text, str(path))


def one_line(text: str, where: str) -> str:
    """A secret that can stand in a header. Raises ValueError for any other, naming only `where` it came from."""
    if not text or any(sign < " " or sign == "\x7f" for sign in text):
        raise ValueError(f"{where} does not hold one line of text")
    return text
