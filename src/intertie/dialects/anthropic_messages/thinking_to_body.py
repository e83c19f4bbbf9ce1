"""Writes how much is to be thought, in the form that the model takes: an effort, or a budget in tokens."""

from itertools import dropwhile, takewhile
from typing import Any, Final

from intertie.core.chat import Chat, Reasoning, Thinking, ToolResult
from intertie.core.endpoint import Dialect
from intertie.dialects.anthropic_messages.models import takes_budget, thinks_adaptively
from intertie.dialects.dialect import Cannot

_LEAST: Final = 1024  # of a budget; the most is one less than max_tokens
_MOST: Final = 128_000

_EFFORTS: Final = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}
"""Our words for an effort and Anthropic's, whose least is `low`."""

_PERCENT: Final = {"minimal": 10, "low": 20, "medium": 50, "high": 80, "xhigh": 95, "max": 95}
"""An effort as a share of max_tokens, for models that take a budget alone: the shares that OpenRouter uses
(openrouter.ai/docs/use-cases/reasoning-tokens)."""


def asks_for_thoughts(thinking: Thinking) -> bool:
    """Whether the model is to think, rather than not, or as it is used to."""
    if thinking.on is False or thinking.effort == "none" or thinking.budget == 0:
        return False
    return bool(thinking.on or thinking.effort or thinking.budget or thinking.adaptive)


def forgot(chat: Chat, origin: Dialect) -> bool:
    """Whether tools are being answered, and the turn that called them came back without the thoughts that led to it.

    Many callers keep words and calls alone. Where thinking has a budget such a turn is refused ("Expected `thinking`
    or `redacted_thinking`, but found `tool_use`"), so that it goes on without thinking, as the documentation proposes.
    """
    turns = [turn for turn in chat.turns if turn.role in ("user", "assistant")]
    answers = takewhile(lambda turn: turn.role == "user", reversed(turns))
    if not any(isinstance(part, ToolResult) for turn in answers for part in turn.parts):
        return False
    rest = dropwhile(lambda turn: turn.role == "user", reversed(turns))
    parts = [part for turn in takewhile(lambda turn: turn.role == "assistant", rest) for part in turn.parts]
    thoughts = [part for part in parts if isinstance(part, Reasoning) and part.origin == origin]
    return not any(thought.signature or thought.sealed for thought in thoughts)


def thinking_to_body(thinking: Thinking, model: str, max_tokens: int, cannot: Cannot) -> tuple[dict[str, Any], str]:
    """The `thinking` object, empty where nothing is asked for, and the effort of `output_config`."""
    adaptive = thinks_adaptively(model)
    effort = _EFFORTS.get(thinking.effort, "") if adaptive else ""
    if not asks_for_thoughts(thinking):
        off = thinking.on is False or thinking.effort == "none" or thinking.budget == 0
        return {"type": "disabled"} if off else {}, effort
    budget = thinking.budget
    if budget is not None and not takes_budget(model):
        cannot.say("thinking", "the model takes an effort instead of a budget")
        budget = None
    if budget is None and adaptive:
        return {"type": "adaptive", **_display(thinking)}, effort
    if budget is None:
        share = _PERCENT.get(thinking.effort, _PERCENT["medium"])
        budget = max(_LEAST, min(_MOST, max_tokens * share // 100))
    return _budget(thinking, budget, max_tokens, cannot), effort


def _budget(thinking: Thinking, budget: int, max_tokens: int, cannot: Cannot) -> dict[str, Any]:
    if not _LEAST <= budget < max_tokens:
        cannot.say("thinking", f"a budget of thinking lies between {_LEAST} tokens and the limit of output")
        return {}
    return {"type": "enabled", "budget_tokens": budget, **_display(thinking)}


def _display(thinking: Thinking) -> dict[str, Any]:
    if thinking.visible is False:
        return {"display": "omitted"}
    return {"display": "summarized"} if thinking.visible or thinking.summary else {}
