"""References in the file to what stands elsewhere: `${NAME}` in any value, `env:NAME` and `file:PATH` for secrets."""

import re
from collections.abc import Mapping
from pathlib import Path

_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|\$\{")
_MAX_SECRET = 64 * 1024


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


def secret(reference: str, environ: Mapping[str, str], folder: Path) -> str:
    """The secret a reference stands for; a text without a known scheme is the secret itself.

    `folder` is where a relative `file:` path begins. Raises ValueError, which never repeats a secret.
    """
    scheme, _, rest = reference.partition(":")
    if scheme == "vault":
        raise ValueError("vault: is not available in this version; use env:NAME or file:PATH")
    if scheme == "env":
        found = environ.get(rest, "")
        if not found:
            raise ValueError(f"the environment has no {rest}")
        return found
    return _file_secret(folder / rest) if scheme == "file" else reference


def _file_secret(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_SECRET + 1)
        text = data.decode().strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ValueError(f"{path} cannot be read: {reason}") from None
    if not text or len(data) > _MAX_SECRET or "\n" in text:
        raise ValueError(f"{path} does not hold one line of text")
    return text
