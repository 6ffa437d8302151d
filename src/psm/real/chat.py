"""How a conversation is put to a model: in its own chat template, or as plain text where it has none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jinja2 import TemplateError

from psm.errors import UsageError

if TYPE_CHECKING:
    from psm.real.loading import RealModel

Message = tuple[str, str]   # role (system, user or assistant) and content
TODAY = "26 Jul 2024"   # the date that a template is given, so that it does not tell another one on another day
HOW = {"tokenize": False, "add_generation_prompt": True, "date_string": TODAY}
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
    """The model's own template. What a system would say opens the next turn, a user's, where a template knows no system.

    UsageError where the template does not take the messages, and no user's turn follows that could open so.
    """
    (role, said), *rest = messages
    text, reason = None, "it leaves out what the system says"
    try:
        text = real.tokenizer.apply_chat_template([{"role": r, "content": c} for r, c in messages], **HOW)
    except TemplateError as error:
        reason = " ".join(str(error).split())
    if text is not None and (role != "system" or said.strip() in text):
        return text
    if role == "system" and rest and rest[0][0] == "user":
        return _templated(real, [("user", f"{said}\n\n{rest[0][1]}"), *rest[1:]])
    raise UsageError(f"the chat template of model '{real.name}' does not take this conversation ({reason}): use another chat model")
