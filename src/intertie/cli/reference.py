"""The reference pages, written from the declarations they describe: `python -m intertie.cli.reference docs/reference`.

A test compares the pages in the repository with the code, so neither can change without the other.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec

from intertie.cli.main import EXIT_CODES, build, load_all
from intertie.config.fields import Field, fields_of, unfold
from intertie.config.forms import NAME, Form
from intertie.config.settings import SETTINGS
from intertie.config.wishes import Sections

_MADE = "<!-- Made by `python -m intertie.cli.reference docs/reference`; change the declarations, not this page. -->\n"
_HEADINGS, _RULE = "| key | flag | environment | default | what | takes hold |", "|---|---|---|---|---|---|"


def pages() -> dict[str, str]:
    """The reference pages, by file name."""
    return {"settings.md": settings_page(), "configuration.md": configuration_page(), "commands.md": commands_page()}


def commands_page() -> str:
    """Every verb with its flags, as `--help` tells them, and the exit codes."""
    app = build()
    load_all(app)
    lines = [
        "# Commands\n",
        _MADE,
        "Results go to standard output, complaints to standard error. With `--json` a result is one JSON document, in",
        "which money is exact decimal dollars, as text.\n",
        "| exit code | meaning |",
        "|---|---|",
        *(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()),
    ]
    _, _, verbs = app.generate_docs().partition("**Commands**:\n")
    return "\n".join(lines) + "\n" + verbs.rstrip() + "\n"


def settings_page() -> str:
    """Every setting: its key in the file, its flag, its name in the environment, its default, when it takes hold."""
    lines = [
        "# Settings\n",
        _MADE,
        "A flag beats the environment, which beats the file, which beats the default. Secrets have no flag, because",
        "every process of a host can read command lines. Paths are relative to the working directory.\n",
        "A changed file is taken up by itself. What a setting's last column says is when its new value counts:",
        "`at once`; with a `new worker`, that is after SIGHUP, which replaces the workers one by one; or at the",
        "`next start` of `intertie serve`. A changed flag or environment always waits for the next start.\n",
    ]
    section = None
    for setting in SETTINGS:
        if setting.section != section:
            section = setting.section
            where = f"`{section}:` in the file" if section else "Where the file is"
            lines += [f"\n## {where}\n", _HEADINGS, _RULE]
        field, flag = setting.field, f"`{setting.flag}`" if setting.flag else ""
        key = f"`{field.key}`" if section else ""
        cells = (key, flag, f"`{setting.environ}`", _default(field), field.help, setting.takes_hold)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def configuration_page() -> str:
    """Every section of `intertie.yaml` that is a list of entries, with its keys."""
    lines = [
        "# intertie.yaml\n",
        _MADE,
        "Besides [settings](settings.md) the file holds these sections; each is a list of entries. An example with",
        "comments is [deploy/intertie.example.yaml](../../deploy/intertie.example.yaml); `intertie check FILE` says",
        "all that is wrong with a file. A *name* is made of letters, digits and `. _ - / : @ +`.\n",
        "- `include:` one file or several, relative to the file that names them; their lists are joined.",
        "- `${NAME}` and `${NAME:-default}` in any value come from the environment; `$${` is a literal `${`.",
        "- Secrets: `env:NAME`, `file:PATH` (relative to the file), or the value itself; or where else they are kept:",
        "  see [credentials](../how-to/credentials.md).",
        "- Numbers: `20k`, `1.5M`. Where a list is expected, one entry needs no brackets.",
        "- Sections whose name begins with `x-` are yours: a place for YAML anchors.",
    ]
    inner: dict[str, type[msgspec.Struct]] = {}
    for section, field in fields_of(Sections).items():
        entry = get_args(field.type)[0]
        lines += [f"\n## {section}\n", f"{_summary(entry)}\n", *_table(entry, inner)]
    told = set(fields_of(Sections))  # those are told above, with their owners
    while untold := sorted(inner.keys() - told):
        for name in untold:
            lines += [f"\n## {name}\n", f"{_summary(inner[name])}\n", *_table(inner[name], inner)]
        told.update(untold)
    return "\n".join(lines) + "\n"


def _table(kind: type[msgspec.Struct], inner: dict[str, type[msgspec.Struct]]) -> Iterator[str]:
    yield "| key | value | default | what |"
    yield "|---|---|---|---|"
    for field in fields_of(kind).values():
        value = _value(field.key, field.type, field.form, inner)
        yield f"| `{field.key}` | {value} | {'required' if field.required else _default(field)} | {field.help} |"


def _value(key: str, kind: Any, form: Form | None, inner: dict[str, type[msgspec.Struct]]) -> str:
    if form is not None:
        return "name" if form is NAME else form.expected
    if get_origin(kind) is tuple:
        items = get_args(kind)
        bare, inside, _ = unfold(items[0])
        what = _value(key, bare, inside, inner)
        return f"list: {what}" if len(items) == 2 and items[1] is Ellipsis else f"list of {len(items)}: {what}"
    if get_origin(kind) is dict:
        axes, amount = get_args(kind)
        return f"mapping of {', '.join(get_args(axes))} to {_value(key, *unfold(amount)[:2], inner)}"
    inner[key] = kind
    return f"[{key}](#{key})"


def _default(field: Field) -> str:
    if field.default in (None, "", (), {}) or isinstance(field.default, msgspec.Struct):
        return ""
    text = msgspec.json.encode(field.default).decode().replace('"', "").replace(",", ", ")
    return f"`{text.removesuffix('.0') if isinstance(field.default, float) else text}`"


def _summary(kind: type[msgspec.Struct]) -> str:
    return (kind.__doc__ or "").partition("\n\n")[0]


def main() -> None:
    """Write the pages into the folder named on the command line."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
