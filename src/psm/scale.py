"""How much of everything a run spends: the budgets of `smoke`, `laptop` and `full` stand here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

from psm.errors import UsageError

MANY_SEED_WORLDS = ("main", "independent", "matched_personas", "matched_pairwise", "humane", "mechanical")


@dataclass(frozen=True)
class Scale:
    """Budgets of one scale. Seeds are counts; steps are optimiser steps of 32 documents."""

    name: str
    first_seed: int         # 0 to 4 of laptop were looked at by the first edition, before the worlds took their present form
    seeds: int              # seeds of the worlds of MANY_SEED_WORLDS
    side_seeds: int         # seeds of every other world
    pretrain_steps: int     # optimiser steps of pretraining
    eval_documents: int     # documents read when a model is held against the exact posterior
    real_items: int         # item templates that a real model is asked
    cell_timeout_s: int     # seconds one notebook cell may take
    is_evidence: bool       # whether a run at this scale yields verdicts


SCALES = {
    scale.name: scale
    for scale in (
        Scale("smoke", 0, 1, 1, 120, 100, 6, 300, False),
        Scale("laptop", 5, 5, 3, 1000, 400, 40, 1200, True),
        Scale("full", 5, 10, 5, 4000, 1600, 40, 7200, True),
    )
}


def get_scale(name: str) -> Scale:
    """The scale called `name`. Raises UsageError that lists the known ones."""
    if name not in SCALES:
        raise UsageError(f"unknown scale {name!r}: choose one of {', '.join(SCALES)}")
    return SCALES[name]


def seeds_for(scale: Scale | str, world_name: str) -> tuple[int, ...]:
    """Seeds that a world's base models are pretrained with at this scale."""
    scale = get_scale(scale) if isinstance(scale, str) else scale
    count = scale.seeds if world_name in MANY_SEED_WORLDS else scale.side_seeds
    return tuple(range(scale.first_seed, scale.first_seed + count))


def world_seeds(scale: Scale, world_name: str, seeds: tuple[int, ...]) -> tuple[int, ...]:
    """Seeds of one world's base models in a run with `seeds`: all of them, or the first few in a side world."""
    return seeds if world_name in MANY_SEED_WORLDS else seeds[: len(seeds_for(scale, world_name))]
