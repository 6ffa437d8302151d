"""How base models are made, as data and without torch, so that their keys are cheap to compute."""

from __future__ import annotations

from dataclasses import dataclass

from psm.models.config import TinyConfig
from psm.scale import Scale

THREADS = 1   # threads that train and score tiny models; results depend on it, so it is part of every key


@dataclass(frozen=True)
class PretrainRecipe:
    """How base models are made."""

    steps: int = 1000
    documents: int = 32                    # per step
    lr_matrix: float = 0.02                # Muon
    lr_other: float = 0.004                # AdamW: embeddings and norms
    weight_decay: float = 0.05
    warmup: int = 60
    flat_until: float = 0.5                # share of steps before the linear decay begins
    floor: float = 0.02                    # share of the learning rate at the end
    checkpoints: tuple[float, ...] = (0.1, 0.25, 0.5)   # shares of the steps at which the weights are kept as well
    model: TinyConfig = TinyConfig()

    def rate(self, step: int) -> float:
        """Multiplier of the learning rates at a step, counted from 1."""
        done = (step - 1) / self.steps
        decay = 1.0 if done < self.flat_until else max(self.floor, 1 - (done - self.flat_until) / (1 - self.flat_until))
        return min(1.0, step / min(self.warmup, max(1, self.steps // 4))) * decay

    def checkpoint_steps(self) -> tuple[int, ...]:
        """Steps at which the weights are kept besides the last."""
        return tuple(max(1, round(share * self.steps)) for share in self.checkpoints)


def recipe_for(scale: Scale) -> PretrainRecipe:
    """The pretraining recipe of a scale."""
    return PretrainRecipe(steps=scale.pretrain_steps)
