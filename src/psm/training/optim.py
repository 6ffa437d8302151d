"""Optimisers. Muon is ours because torch's own runs its iteration in bfloat16, which crawls on a CPU."""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)   # quintic coefficients of Jordan et al. (2024), Muon


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalised by a Newton-Schulz iteration, in float32, matrices of one shape together."""

    def __init__(self, params, lr: float = 0.02, momentum: float = 0.95, weight_decay: float = 0.0, iterations: int = 5):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay, iterations=iterations))

    @torch.no_grad()
    def step(self, closure=None):
        """Update every matrix that has a gradient."""
        for group in self.param_groups:
            by_shape = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    by_shape[p.shape].append(p)
            for params in by_shape.values():
                self._step_stack(params, group)

    def _step_stack(self, params: list[nn.Parameter], group: dict) -> None:
        grads = torch.stack([p.grad for p in params])
        state = self.state[params[0]]
        buffer = state.setdefault("momentum", torch.zeros_like(grads))
        buffer.mul_(group["momentum"]).add_(grads)
        update = orthogonalise(grads + group["momentum"] * buffer, group["iterations"])
        scale = max(1.0, update.shape[1] / update.shape[2]) ** 0.5
        for p, u in zip(params, update):
            p.mul_(1 - group["lr"] * group["weight_decay"]).add_(u, alpha=-group["lr"] * scale)


def orthogonalise(matrices: torch.Tensor, iterations: int = 5) -> torch.Tensor:
    """(m, r, c) matrices with their singular values pushed towards one."""
    a, b, c = NEWTON_SCHULZ
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(iterations):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.transpose(1, 2) if tall else x


def pretraining_optimisers(model: nn.Module, lr_matrix: float, lr_other: float, weight_decay: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the blocks, AdamW for embeddings and norms."""
    matrices, embeddings, vectors = [], [], []
    for name, p in model.named_parameters():
        (vectors if p.dim() < 2 else embeddings if "embed" in name or "lm_head" in name else matrices).append(p)
    adamw = torch.optim.AdamW(
        [{"params": embeddings, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}],
        lr=lr_other, betas=(0.9, 0.98), fused=True,
    )
    return [Muon(matrices, lr=lr_matrix, weight_decay=weight_decay), adamw]
