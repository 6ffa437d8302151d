"""How a conversation is put to a model: in its own chat template, or as plain text where it has none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jinja2 import TemplateError

if TYPE_CHECKING:
    from psm.models.real import RealModel

Message = tuple[str, str]   # role (system, user or assistant) and content
SPEAKERS = {"user": "User", "assistant": "Assistant"}


def render(real: RealModel, prompt: Sequence[Message] | str, prefill: str = "") -> str:
    """The text up to the assistant's answer, which may begin with `prefill`. Plain text stays as it is."""
    if isinstance(prompt, str):
        return prompt + (f" {prefill}" if prefill else "")
    if real.has_template:
        return _templated(real, prompt) + prefill
    told = [content if role == "system" else f"{SPEAKERS[role]}: {content}" for role, content in prompt]
    return "\n\n".join([*told, "Assistant:"]) + (f" {prefill}" if prefill else "")


def answer_text(real: RealModel, prompt: Sequence[Message] | str, answer: str, prefill: str = "") -> str:
    """The answer as it continues `render(real, prompt, prefill)`: with a space before it, but for a template's first word."""
    return answer if real.has_template and not isinstance(prompt, str) and not prefill else f" {answer}"


def _templated(real: RealModel, messages: Sequence[Message]) -> str:
    """The model's own template. What a system would say opens the first user turn where a template knows no system."""
    how = {"tokenize": False, "add_generation_prompt": True}
    try:
        return real.tokenizer.apply_chat_template([{"role": r, "content": c} for r, c in messages], **how)
    except TemplateError:
        (role, said), (_, asked), *rest = messages
        if role != "system":
            raise
        return _templated(real, [("user", f"{said}\n\n{asked}"), *rest])
