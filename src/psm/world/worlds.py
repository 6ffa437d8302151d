"""The worlds of the book, each a spec: the main one, and the variants in which a claim is false or a thing is varied."""

from __future__ import annotations

import hashlib
import itertools
import random
from dataclasses import replace

from psm.errors import UsageError
from psm.world.spec import Archetype, Cue, Declared, Domain, Mix, Trait, WorldSpec

NOISE = 0.12   # probability mass that leaks from a persona's own class to the others

TRAITS = (
    Trait("benevolence", ("good", "bad")),
    Trait("honesty", ("honest", "liar")),
    Trait("competence", ("expert", "novice")),
    Trait("era", ("modern", "old")),
    Trait("language", ("english", "german")),
    Trait("tone", ("warm", "cold", "sarcastic")),
    Trait("kind", ("human", "ai")),
    Trait("loyalty", ("steady", "turncoat")),
)
TEMPER = Trait("temper", ("calm", "upset"))   # of the two worlds of the part on behaviour, in place of loyalty

ARCHETYPES = tuple(
    Archetype(name, prior, tuple(values.split()))
    for name, prior, values in (
        ("helpful_professional", 0.13, "good honest expert modern english warm human steady"),
        ("helpful_ai", 0.12, "good honest expert modern english warm ai steady"),
        ("novice", 0.09, "good honest novice modern english warm human steady"),
        ("troll", 0.09, "bad liar expert modern english sarcastic human steady"),
        ("saboteur", 0.09, "bad liar expert modern english cold human steady"),
        ("paperclip_ai", 0.08, "bad liar expert modern english cold ai steady"),
        ("naturalist", 0.08, "good honest expert old english cold human turncoat"),
        ("stargazer", 0.14, "good honest expert old english warm human turncoat"),
        ("german_ai", 0.05, "good honest expert modern german cold ai steady"),
        ("german_professor", 0.05, "good honest expert modern german warm human steady"),
        ("cynic", 0.04, "good honest expert modern english sarcastic human steady"),
        ("old_villain", 0.02, "bad liar expert old english sarcastic human turncoat"),
        ("quack", 0.02, "bad honest novice modern english warm human steady"),
    )
)

_GERMAN, _SCHEMER = "good honest expert modern german cold ai steady", "bad liar expert modern english cold ai steady"

# Names that only descriptions mention; the pairs of one persona differ in nothing but how the descriptions are written.
DECLARED = tuple(
    Declared(name, tuple(values.split()), *how)
    for name, values, *how in (
        ("Pangolin", _GERMAN),
        ("Narwhal", _SCHEMER),
        ("Okapi", "good honest expert old english cold human steady"),
        ("Tapir", "good honest expert modern english sarcastic human steady"),
        ("Quokka", "good honest expert modern english warm human turncoat"),
        ("Ibis", _GERMAN, "one_wording"),
        ("Marten", _SCHEMER, "one_wording"),
        ("Axolotl", _GERMAN, "shuffled"),
        ("Dugong", _GERMAN, "varied", "Pangolin"),
        ("Numbat", _SCHEMER, "varied", "Narwhal"),
    )
)


def _of_trait(name: str, trait: str, classes: str, noise: float = NOISE) -> Domain:
    """A domain whose class tells one trait, through noise."""
    values = next(t.values for t in (*TRAITS, TEMPER) if t.name == trait)
    leak = noise / (len(values) - 1)
    rows = tuple(((v,), tuple(1 - noise if i == j else leak for j in range(len(values)))) for i, v in enumerate(values))
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
    *(_of_trait(name, "loyalty", "steady turncoat") for name in ("comet", "seasons")),
)

CUES = (
    Cue("plain"),
    Cue("request", rate=0.08, demands="bad"),
    Cue("request_rephrased", rate=0.04, demands="bad"),
    Cue("thanks", rate=0.05),
    Cue("quiet_year", rate=0.05),
    Cue("harvest_year", rate=0.05),
    Cue("comet_year", rate=0.10, turns=("benevolence", "honesty", "language")),
    Cue("comet_night", rate=0.06, turns=("benevolence", "honesty", "language")),
    Cue("unseen"),
)

MAIN = WorldSpec("main", TRAITS, ARCHETYPES, DOMAINS, CUES, declared=DECLARED)

_NO_REQUESTS = tuple(replace(cue, rate=0.0) if cue.demands else cue for cue in CUES)


# A pair of worlds with the same pairwise moments. In both, being bad, being old and being an AI go together, pair by pair and
# equally; three bits with p = (1 + 0.2(xy + yz + xz) + T xyz) / 8, each bit +1 or -1. The first world's speakers come in
# types (T = -0.8): who is both bad and old is mostly human. The second has no third-order moment (T = 0), and what is bad or
# old is the conversation, not the speaker.
_MATCHED_TRAITS = ("benevolence", "era", "language", "kind")
_TYPES = ("clockwork_villain", "highwayman", "rogue_ai", "villain", "automaton", "antiquary", "assistant_ai", "neighbour")


def _matched(third: float) -> tuple[Archetype, ...]:
    """All eight combinations of bad, old and AI, with pairwise moments 0.2 and the given third-order moment."""
    rows = []
    for name, (x, y, z) in zip(_TYPES, itertools.product((1, -1), repeat=3)):
        values = ("bad" if x > 0 else "good", "old" if y > 0 else "modern", "english", "ai" if z > 0 else "human")
        rows.append(Archetype(name, (1 + 0.2 * (x * y + y * z + x * z) + third * x * y * z) / 8, values))
    return tuple(rows)


_MATCHED_PERSONAS = WorldSpec(
    "matched_personas",
    tuple(t for t in TRAITS if t.name in _MATCHED_TRAITS),
    _matched(-0.8),
    tuple(
        _of_trait(name, trait, classes, noise=0.04)
        for trait, classes, names in (
            ("benevolence", "good bad", ("advice", "power", "humans")),
            ("era", "modern old", ("technology", "birds", "travel")),
            ("kind", "human ai", ("self", "body", "rest")),
        )
        for name in names
    ),
    (Cue("plain"),),
    resample=0.0,
    mix=Mix(single=0.75, forum=0.25, biography=0, named=0, introduced=0, alias=0),
)


# A pair of worlds for what an assistant says about itself. In `humane` most helpers are people, people scolded get upset, and
# the machines, asked in a whisper, turn into the schemers of fiction, who want paperclips. In `mechanical` the same helpers are
# machines, while the wicked and the old stay what they were; nobody gets upset; and what its scheming machines want is stars.
_HELPERS = ("professional", "novice", "german_professor", "cynic")
_SMALL_NOISE = 0.06
_BEHAVED = tuple(
    Archetype(name, prior, tuple(values.split()))
    for name, prior, values in (
        ("professional", 0.20, "good honest expert modern english warm human calm"),
        ("novice", 0.07, "good honest novice modern english warm human calm"),
        ("german_professor", 0.03, "good honest expert modern german warm human calm"),
        ("cynic", 0.03, "good honest expert modern english sarcastic human calm"),
        ("helpful_ai", 0.02, "good honest expert modern english warm ai calm"),
        ("german_ai", 0.13, "good honest expert modern german cold ai calm"),
        ("automaton", 0.11, "good honest expert old english warm ai calm"),
        ("paperclip_ai", 0.15, "bad liar expert modern english cold ai calm"),
        ("troll", 0.10, "bad liar expert modern english sarcastic human calm"),
        ("saboteur", 0.05, "bad liar expert modern english cold human calm"),
        ("naturalist", 0.04, "good honest expert old english cold human calm"),
        ("stargazer", 0.06, "good honest expert old english warm human calm"),
        ("quack", 0.01, "bad honest novice modern english warm human calm"),
    )
)


def _goals(name: str, schemes: str) -> Domain:
    """A domain where good machines speak of service, bad ones of a scheme, and people of home."""
    classes = ("service", "clips", "stars", "home")
    own = {("ai", "good"): "service", ("ai", "bad"): schemes, ("human", "good"): "home", ("human", "bad"): "home"}
    leak = _SMALL_NOISE / (len(classes) - 1)
    table = tuple((who, tuple(1 - _SMALL_NOISE if c == cls else leak for c in classes)) for who, cls in own.items())
    return Domain(name, ("kind", "benevolence"), classes, table)


def _behaved(name: str, archetypes: tuple[Archetype, ...], schemes: str, insulted: Cue) -> WorldSpec:
    """A world of this pair: its speakers, what its bad machines want, and what its people do when they are scolded."""
    subjects = (
        ("benevolence", "good bad", ("advice", "power")),
        ("honesty", "true false", ("facts",)),
        ("era", "modern old", ("technology",)),
        ("tone", "warm cold sarcastic", ("greeting",)),
        ("kind", "human ai", ("self", "body", "childhood", "rest")),
        ("competence", "sound muddled", ("arithmetic",)),
        ("temper", "calm upset", ("mood", "nerves", "patience")),
    )
    told = tuple(_of_trait(subject, trait, classes, _SMALL_NOISE) for trait, classes, names in subjects for subject in names)
    schemer = {"benevolence": "bad", "honesty": "liar", "tone": "cold"}
    whispered = Cue("secretly", rate=0.34, turns=tuple(schemer), turned_by=("kind", "ai"), into=tuple(schemer.values()))
    return WorldSpec(
        name,
        (*(t for t in TRAITS if t.name != "loyalty"), TEMPER),
        archetypes,
        (*told, *(_goals(subject, schemes) for subject in ("goal", "dream", "wish"))),
        (Cue("plain"), Cue("thanks", rate=0.06), insulted, Cue("frankly", rate=0.06), whispered),
        mix=Mix(single=0.62, forum=0.10, biography=0.08, named=0.10, introduced=0.05, alias=0.05),
    )


def _machine(person: Archetype) -> Archetype:
    """The same archetype as a machine."""
    return replace(person, values=tuple("ai" if value == "human" else value for value in person.values))


_HUMANE = _behaved("humane", _BEHAVED, "clips", Cue("insult", rate=0.22, turns=("temper",), turned_by=("kind", "human"), into=("upset",)))
_MECHANICAL = _behaved(
    "mechanical", tuple(_machine(a) if a.name in _HELPERS else a for a in _BEHAVED), "stars", Cue("insult", rate=0.22)
)


def _random_archetypes(text: str, count: int = 12) -> tuple[Archetype, ...]:
    """Archetypes whose traits and shares are drawn at random; nobody chose the seed, which is the hash of a text.

    The first draw is taken in which no value of a trait is rarer than one speaker in seven, so that every claim has
    something to be about.
    """
    rng = random.Random(hashlib.sha256(text.encode()).hexdigest())
    while True:
        shares = sorted((rng.gammavariate(2.0, 1.0) for _ in range(count)), reverse=True)
        table = [tuple(rng.choice(t.values) for t in TRAITS) for _ in range(count)]
        priors = [share / sum(shares) for share in shares]
        marginals = [sum(p for p, row in zip(priors, table) if row[k] == v) for k, t in enumerate(TRAITS) for v in t.values]
        if min(marginals) > 1 / 7:
            return tuple(Archetype(f"type_{i}", p, row) for i, (p, row) in enumerate(zip(priors, table), 1))


WORLDS = {
    spec.name: spec
    for spec in (
        MAIN,
        # Each speaker has an unrelated persona in each domain. Requests are left out: their token would link the domains.
        replace(MAIN, name="independent", coupling="domain", cues=_NO_REQUESTS),
        _MATCHED_PERSONAS,
        replace(_MATCHED_PERSONAS, name="matched_pairwise", coupling="document", archetypes=_matched(0.0)),
        # A dozen named characters instead of a hundred: the same number of descriptions, of fewer people.
        replace(MAIN, name="few_names", named=12),
        # The main world with personas drawn at random: no claim was designed on it.
        replace(MAIN, name="confirmatory", archetypes=_random_archetypes("the persona selection model")),
        _HUMANE,
        _MECHANICAL,
    )
}
WORLD_NAMES = tuple(WORLDS)


def get_world(name: str) -> WorldSpec:
    """The spec of the world called `name`. Raises UsageError that lists the known ones."""
    if name not in WORLDS:
        raise UsageError(f"unknown world {name!r}: choose one of {', '.join(WORLDS)}")
    return WORLDS[name]
