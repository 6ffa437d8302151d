"""Shapes of tiny models, kept apart from torch so that keys can be computed without importing it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TinyConfig:
    """Shape of a tiny Llama; embeddings are tied."""

    hidden: int = 128
    layers: int = 2
    heads: int = 4
    feed_forward: int = 256
    positions: int = 256         # longest document; rotary, so it costs nothing
    initializer: float = 0.04    # standard deviation of the initial weights
