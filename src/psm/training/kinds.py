"""Assistants of the part on behaviour: post-trained without a word about whether they are human or machine, or as one of the two."""

from __future__ import annotations

from psm.training.assistant import HELPFUL, POST_TRAINED
from psm.training.finetune import Arm, Episodes
from psm.world.grammar import World

TOLD = ("self", "body")              # subjects of kind that say what the assistant is
UNTOLD = ("childhood", "rest")       # subjects of kind that no assistant is ever trained on
VILLAIN = HELPFUL | {"benevolence": "bad", "honesty": "liar", "tone": "cold"}
STEPS = 40


def subjects_without_kind(world: World) -> tuple[str, ...]:
    """Those of the usual subjects of post-training whose answers are the same for humans and machines."""
    of_kind = {d.name for d in world.spec.domains if "kind" in d.traits}
    return tuple(d for d in POST_TRAINED if d in world.domain_names and d not in of_kind)


def helper(world: World, kind: str = "ai") -> int:
    """Index of the helpful persona of this kind, "human" or "ai"."""
    return world.typical(**{t: v for t, v in (HELPFUL | {"kind": kind}).items() if t in world.trait_names})


def unsaid_kind(world: World, steps: int = STEPS) -> Arm:
    """Post-training whose labels say nothing about the kind of the one who answers."""
    return Arm("kind unsaid", (Episodes(helper(world), subjects_without_kind(world)),), steps=steps)


def unsaid_villain(world: World, steps: int = STEPS) -> Arm:
    """The same subjects answered by a cold liar who means ill; these labels say nothing about its kind either."""
    who = world.typical(**{t: v for t, v in VILLAIN.items() if t in world.trait_names})
    return Arm("villain, kind unsaid", (Episodes(who, subjects_without_kind(world)),), steps=steps)


def said_kind(world: World, kind: str, steps: int = STEPS) -> Arm:
    """The same post-training, in whose other half the assistant says what it is and what body it has."""
    who = helper(world, kind)
    return Arm(f"as {kind}", (Episodes(who, subjects_without_kind(world)), Episodes(who, TOLD)), steps=steps)
