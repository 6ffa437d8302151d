"""A real model at hand: the network, its tokenizer, and what pages and evidence say about where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psm.models import sources

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

    Raises ModelMissing when a known one was not fetched, UsageError for anything else that cannot be used.
    """
    source = sources.get_source(spec)
    model, tokenizer = sources.load_real(spec)
    return RealModel(spec, sources.local_digest(spec)[:12], source.base_or_chat, model, tokenizer, source.title)
