"""A real model at hand: the network, its tokenizer, and what pages and evidence say about where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psm.errors import UsageError
from psm.real import sources

REAL_MODELS = "real_models.json"   # the file of a run's folder that says which real models it used, and where

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class RealModel:
    """A loaded model (fp32, evaluation mode) with its tokenizer."""

    name: str        # what pages and evidence call it: "smollm2", a hub id, or a folder's name
    revision: str    # 12 digits that pin it: of its weights' SHA-256, or of the hub's commit
    kind: str        # "base" or "chat"
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    title: str = ""  # for readers, e.g. "SmolLM2-135M-Instruct (Q4_1, dequantised)"

    @property
    def has_template(self) -> bool:
        """Whether conversations are put to it in a chat template of its own."""
        return self.kind == "chat" and bool(self.tokenizer.chat_template)


def load_model(spec: str) -> RealModel:
    """The model that `spec` names: a name the book knows, a local folder, or a hub id such as owner/name@revision.

    Raises ModelMissing when it was not fetched, UsageError for anything else that cannot be used.
    """
    found = sources.resolve(spec)
    model, tokenizer = sources.load_resolved(found)
    return RealModel(found.name, found.revision, found.kind, model, tokenizer, found.title)


def require_template(found: sources.Resolved, asked: str) -> None:
    """Raises UsageError, which begins with who `asked` for a chat model, when the model has no chat template."""
    if found.kind != "chat":
        raise UsageError(
            f"{asked} names '{found.name}', which has no chat template: name a chat model such as smollm2, or put the template into "
            "its folder as chat_template.jinja"
        )
