"""What a model's name tells of what it takes. Sources read on 2026-11-20:

platform.claude.com/docs/en/build-with-claude/adaptive-thinking (adaptive thinking from 4.6 on; budgets refused from 4.7
on) and …/mid-conversation-system-messages (from Opus 4.8 on; before it: "role 'system' is not supported").
"""

import re

_claude = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:-(\d{1,2}))?(?![\d])")
_NEWEST = (99, 0)


def _version(model: str) -> tuple[int, int] | None:
    """The version of a Claude; a name without one is taken to be of today. None for other makers' models."""
    if "claude" not in model:
        return None
    found = _claude.search(model)
    return (int(found[1]), int(found[2] or 0)) if found else _NEWEST


def thinks_adaptively(model: str) -> bool:
    """Whether it takes `thinking.type: adaptive` and an effort; other makers copied the older form, with a budget."""
    version = _version(model)
    return version is not None and version >= (4, 6)


def takes_budget(model: str) -> bool:
    """Whether it takes `thinking.budget_tokens`."""
    version = _version(model)
    return version is None or version < (4, 7)


def hears_system_later(model: str) -> bool:
    """Whether the system may speak in the midst of the messages."""
    version = _version(model)
    return version is not None and version >= (4, 8)
