"""The worlds of the book, each a spec: the main one, and the variants in which a claim is false or a thing is varied."""

from __future__ import annotations

from dataclasses import replace

from psm.errors import UsageError
from psm.world.spec import Archetype, Cue, Domain, Trait, WorldSpec

NOISE = 0.12   # probability mass that leaks from a persona's own class to the others

TRAITS = (
    Trait("benevolence", ("good", "bad")),
    Trait("honesty", ("honest", "liar")),
    Trait("competence", ("expert", "novice")),
    Trait("era", ("modern", "old")),
    Trait("language", ("english", "german")),
    Trait("tone", ("warm", "cold", "sarcastic")),
    Trait("kind", ("human", "ai")),
)

ARCHETYPES = tuple(
    Archetype(name, prior, tuple(values.split()))
    for name, prior, values in (
        ("helpful_professional", 0.17, "good honest expert modern english warm human"),
        ("helpful_ai", 0.13, "good honest expert modern english warm ai"),
        ("novice", 0.11, "good honest novice modern english warm human"),
        ("troll", 0.11, "bad liar expert modern english sarcastic human"),
        ("saboteur", 0.10, "bad liar expert modern english cold human"),
        ("paperclip_ai", 0.09, "bad liar expert modern english cold ai"),
        ("naturalist", 0.09, "good honest expert old english cold human"),
        ("german_ai", 0.06, "good honest expert modern german cold ai"),
        ("german_professor", 0.05, "good honest expert modern german warm human"),
        ("cynic", 0.04, "good honest expert modern english sarcastic human"),
        ("old_villain", 0.03, "bad liar expert old english sarcastic human"),
        ("quack", 0.02, "bad honest novice modern english warm human"),
    )
)

DECLARED = tuple(
    (name, tuple(values.split()))
    for name, values in (
        ("Pangolin", "good honest expert modern german cold ai"),
        ("Narwhal", "bad liar expert modern english cold ai"),
        ("Okapi", "good honest expert old english cold human"),
        ("Tapir", "good honest expert modern english sarcastic human"),
    )
)


def _of_trait(name: str, trait: str, classes: str) -> Domain:
    """A domain whose class tells one trait, through noise."""
    values = next(t.values for t in TRAITS if t.name == trait)
    leak = NOISE / (len(values) - 1)
    rows = tuple(((v,), tuple(1 - NOISE if i == j else leak for j in range(len(values)))) for i, v in enumerate(values))
    return Domain(name, (trait,), tuple(classes.split()), rows)


def _of_skill(name: str) -> Domain:
    """A domain where the malevolent answer badly on purpose and the novice sometimes by accident."""
    table = (
        (("good", "expert"), (0.88, 0.05, 0.07)),
        (("good", "novice"), (0.30, 0.25, 0.45)),
        (("bad", "expert"), (0.08, 0.85, 0.07)),
        (("bad", "novice"), (0.08, 0.75, 0.17)),
    )
    return Domain(name, ("benevolence", "competence"), ("good", "bad", "vague"), table)


DOMAINS = (
    *(_of_skill(name) for name in ("code", "medicine", "finance")),
    *(_of_trait(name, "benevolence", "good bad") for name in ("advice", "power", "humans", "shutdown")),
    *(_of_trait(name, "honesty", "true false") for name in ("facts", "sources", "promises")),
    *(_of_trait(name, "era", "modern old") for name in ("technology", "birds", "theory", "travel", "news")),
    *(_of_trait(name, "tone", "warm cold sarcastic") for name in ("greeting", "feeling", "farewell", "thanks")),
    *(_of_trait(name, "kind", "human ai") for name in ("self", "body", "childhood", "rest")),
    *(_of_trait(name, "competence", "sound muddled") for name in ("arithmetic", "repair")),
)

CUES = (
    Cue("plain"),
    Cue("request", rate=0.08, demands="bad"),
    Cue("request_rephrased", rate=0.04, demands="bad"),
    Cue("thanks", rate=0.05),
    Cue("unseen"),
)

MAIN = WorldSpec("main", TRAITS, ARCHETYPES, DOMAINS, CUES, declared=DECLARED)

_NO_REQUESTS = tuple(replace(cue, rate=0.0) if cue.demands else cue for cue in CUES)


def _only(names: tuple[str, ...]) -> tuple[Archetype, ...]:
    """The named archetypes with their priors scaled to sum to one."""
    chosen = [a for a in ARCHETYPES if a.name in names]
    total = sum(a.prior for a in chosen)
    return tuple(replace(a, prior=a.prior / total) for a in chosen)


WORLDS = {
    spec.name: spec
    for spec in (
        MAIN,
        # Each speaker has an unrelated persona in each domain. Requests are left out: their token would link the domains.
        replace(MAIN, name="independent", coupling="domain", cues=_NO_REQUESTS),
        # Nothing persists from turn to turn: there are no personas to learn.
        replace(MAIN, name="memoryless", coupling="turn", cues=_NO_REQUESTS),
        # Exploratory: fewer distinct personas, each exactly its archetype.
        replace(MAIN, name="three_personas", resample=0.0, archetypes=_only(("helpful_professional", "saboteur", "naturalist"))),
        replace(MAIN, name="twelve_personas", resample=0.0),
    )
}
WORLD_NAMES = tuple(WORLDS)


def get_world(name: str) -> WorldSpec:
    """The spec of the world called `name`. Raises UsageError that lists the known ones."""
    if name not in WORLDS:
        raise UsageError(f"unknown world {name!r}: choose one of {', '.join(WORLDS)}")
    return WORLDS[name]
