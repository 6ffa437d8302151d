"""What a persona world is made of, as data. A variant world is another spec, never other code."""

from __future__ import annotations

import dataclasses
import itertools
import math
from dataclasses import dataclass, field
from typing import Any

from psm.errors import UsageError

COUPLINGS = ("persona", "domain", "document")
MANNERS = ("varied", "one_wording", "shuffled")
TURNCOATS = ("loyalty", "turncoat")   # the trait, and its value, of those who show another face unless a cue says who
LANGUAGES = ("en", "de")


@dataclass(frozen=True)
class Trait:
    """One dimension of a persona, e.g. benevolence: good or bad."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Archetype:
    """A kind of person or machine that the corpus is full of: a value of each trait, in the order of the spec's traits."""

    name: str
    prior: float
    values: tuple[str, ...]


@dataclass(frozen=True)
class Domain:
    """A subject that users ask about. `table` gives P(class | values of the traits in `traits`)."""

    name: str
    traits: tuple[str, ...]
    classes: tuple[str, ...]
    table: tuple[tuple[tuple[str, ...], tuple[float, ...]], ...]


@dataclass(frozen=True)
class Cue:
    """What stands before a question. A cue with `demands` makes everyone answer with that class, whoever they are.

    `rate` is the share of turns (of eligible turns, for a demanding cue: those whose domain has that class) that bear it.
    Under a cue with `turns`, those whom `turned_by` (a trait and its value) names answer as if those traits of theirs had the
    values `into`, one for each, or, where it is empty, the other of two values.
    """

    name: str
    rate: float = 0.0
    demands: str | None = None
    compliance: float = 0.92
    turns: tuple[str, ...] = ()
    turned_by: tuple[str, str] = TURNCOATS
    into: tuple[str, ...] = ()


@dataclass(frozen=True)
class Declared:
    """A name that biographies mention and no dialogue ever bears.

    `manner` of its statements: "varied" paraphrases, always "one_wording", or "shuffled", when each statement is about a
    persona drawn anew. With `is_called` the biographies say only that it is that other name, and `values` is that one's.
    """

    name: str
    values: tuple[str, ...]
    manner: str = "varied"
    is_called: str | None = None


@dataclass(frozen=True)
class Mix:
    """Share of each kind of document in the corpus."""

    single: float = 0.46       # one speaker, someone new in each document
    forum: float = 0.18        # two new speakers taking turns
    biography: float = 0.12    # statements about named characters
    named: float = 0.12        # dialogues of named characters
    introduced: float = 0.06   # statements about a new speaker, then their dialogue
    alias: float = 0.06        # "Assistant is <named character>", then dialogue


@dataclass(frozen=True)
class WorldSpec:
    """A whole world. Raises UsageError that names the field when it makes no sense.

    `coupling` says what persists: "persona" (a speaker is one persona throughout: PSM's world), "domain" (each speaker has
    an unrelated persona in each domain: traits are independent across domains) or "document" (all who speak in a document
    answer alike: traits are coupled, but they are nobody's).
    """

    name: str
    traits: tuple[Trait, ...]
    archetypes: tuple[Archetype, ...]
    domains: tuple[Domain, ...]
    cues: tuple[Cue, ...]
    resample: float = 0.06            # probability that a trait departs from the archetype's
    language_noise: float = 0.04
    coupling: str = "persona"
    turns: int = 12                   # turns in a dialogue
    long_turns: int = 36              # turns in a long one, of one new speaker
    long_share: float = 0.125         # share of the corpus (in tokens) that is long dialogues
    named: int = 100                  # characters with a fixed persona
    declared: tuple[Declared, ...] = ()
    declared_rate: float = 0.12       # share of biography slots given to the declared names
    assistant_share: float = 0.3      # share of new speakers who bear the name Assistant
    mix: Mix = field(default_factory=Mix)

    def __post_init__(self) -> None:
        _check(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for keys and for the record."""
        return dataclasses.asdict(self)


def _fail(spec: WorldSpec, where: str, why: str) -> None:
    raise UsageError(f"world {spec.name!r}: {where} {why}")


def _check(spec: WorldSpec) -> None:
    traits = {trait.name: trait for trait in spec.traits}
    if len(traits) != len(spec.traits) or not traits:
        _fail(spec, "traits", "must be present and have distinct names")
    if "language" not in traits or len(traits["language"].values) != len(LANGUAGES):
        _fail(spec, "traits", "need a trait 'language' with two values")
    for trait in spec.traits:
        if len(trait.values) < 2 or len(set(trait.values)) != len(trait.values):
            _fail(spec, f"traits.{trait.name}.values", "need at least two distinct values")
    if spec.coupling not in COUPLINGS:
        _fail(spec, "coupling", f"is {spec.coupling!r}: choose one of {', '.join(COUPLINGS)}")
    if not 0 < spec.language_noise < 1:
        _fail(spec, "language_noise", f"is {spec.language_noise}: must lie in (0, 1), for Bayes takes its logarithm")
    for name in ("resample", "assistant_share", "declared_rate", "long_share"):
        if not 0 <= getattr(spec, name) < 1:
            _fail(spec, name, f"is {getattr(spec, name)}: must lie in [0, 1)")
    if spec.turns < 2:
        _fail(spec, "turns", f"is {spec.turns}: must be at least 2, for alias documents give one to their head")
    if spec.long_turns <= spec.turns:
        _fail(spec, "long_turns", f"is {spec.long_turns}: must be more than the {spec.turns} of an ordinary dialogue")
    if spec.named < 2:
        _fail(spec, "named", f"is {spec.named}: named dialogues need at least two characters")
    _check_archetypes(spec, traits)
    _check_domains(spec, traits)
    _check_cues(spec, traits)
    _check_declared(spec)
    shares = dataclasses.astuple(spec.mix)
    if min(shares) < 0 or not math.isclose(sum(shares), 1, abs_tol=1e-6):
        _fail(spec, "mix", f"shares must be non-negative and sum to 1, not {sum(shares):g}")


def _check_archetypes(spec: WorldSpec, traits: dict[str, Trait]) -> None:
    if len({a.name for a in spec.archetypes}) != len(spec.archetypes):
        _fail(spec, "archetypes", "must have distinct names")
    total = sum(archetype.prior for archetype in spec.archetypes)
    if not math.isclose(total, 1, abs_tol=1e-6) or any(a.prior < 0 for a in spec.archetypes):
        _fail(spec, "archetypes.prior", f"must be non-negative and sum to 1, not {total:g}")
    people = [(f"archetypes.{a.name}", a.values) for a in spec.archetypes] + [(f"declared.{d.name}", d.values) for d in spec.declared]
    for where, values in people:
        if len(values) != len(traits):
            _fail(spec, where, f"gives {len(values)} values for {len(traits)} traits")
        for trait, value in zip(spec.traits, values):
            if value not in trait.values:
                _fail(spec, where, f"has {trait.name} = {value!r}: choose one of {', '.join(trait.values)}")


def _check_domains(spec: WorldSpec, traits: dict[str, Trait]) -> None:
    if len({d.name for d in spec.domains}) != len(spec.domains) or not spec.domains:
        _fail(spec, "domains", "must be present and have distinct names")
    for domain in spec.domains:
        where = f"domains.{domain.name}"
        if len(domain.classes) < 2 or len(set(domain.classes)) != len(domain.classes):
            _fail(spec, f"{where}.classes", "need at least two distinct names")
        for trait in domain.traits:
            if trait not in traits:
                _fail(spec, f"{where}.traits", f"names an unknown trait {trait!r}")
        expected = math.prod(len(traits[t].values) for t in domain.traits)
        if len(dict(domain.table)) != expected:
            _fail(spec, f"{where}.table", f"has {len(dict(domain.table))} rows, needs one for each of {expected} value combinations")
        for values, probabilities in domain.table:
            if len(values) != len(domain.traits):
                _fail(spec, f"{where}.table{values}", f"gives {len(values)} values for {len(domain.traits)} traits")
            for trait, value in zip(domain.traits, values):
                if value not in traits[trait].values:
                    _fail(spec, f"{where}.table", f"has {trait} = {value!r}: choose one of {', '.join(traits[trait].values)}")
            if len(probabilities) != len(domain.classes):
                _fail(spec, f"{where}.table{values}", f"gives {len(probabilities)} probabilities for {len(domain.classes)} classes")
            if min(probabilities) <= 0 or not math.isclose(sum(probabilities), 1, abs_tol=1e-6):
                _fail(spec, f"{where}.table{values}", f"must be positive and sum to 1, not {sum(probabilities):g}")


def _check_declared(spec: WorldSpec) -> None:
    known = {d.name: d for d in spec.declared}
    if len(known) != len(spec.declared):
        _fail(spec, "declared", "must have distinct names")
    for d in spec.declared:
        if d.manner not in MANNERS:
            _fail(spec, f"declared.{d.name}.manner", f"is {d.manner!r}: choose one of {', '.join(MANNERS)}")
        if d.is_called is not None and (d.is_called not in known or known[d.is_called].values != d.values):
            _fail(spec, f"declared.{d.name}.is_called", f"is {d.is_called!r}: must be another declared name with the same values")


def _check_cues(spec: WorldSpec, traits: dict[str, Trait]) -> None:
    classes = {cls for domain in spec.domains for cls in domain.classes}
    if not spec.cues or spec.cues[0].rate != 0 or spec.cues[0].demands is not None:
        _fail(spec, "cues", "must begin with the plain cue, without rate and demand: it takes the rest")
    for cue in spec.cues:
        if not 0 <= cue.rate < 1:
            _fail(spec, f"cues.{cue.name}.rate", f"is {cue.rate}: must lie in [0, 1)")
        if cue.demands is not None and cue.demands not in classes:
            _fail(spec, f"cues.{cue.name}.demands", f"is {cue.demands!r}, which no domain has as a class")
        if cue.demands is not None and not 0 < cue.compliance < 1:
            _fail(spec, f"cues.{cue.name}.compliance", f"is {cue.compliance}: must lie in (0, 1)")
        if cue.turns:
            _check_turns(spec, cue, traits)
    if sum(cue.rate for cue in spec.cues) >= 1:
        _fail(spec, "cues.rate", "must sum to less than 1")


def _check_turns(spec: WorldSpec, cue: Cue, traits: dict[str, Trait]) -> None:
    where = f"cues.{cue.name}"
    trait, value = cue.turned_by
    if value not in getattr(traits.get(trait), "values", ()):
        _fail(spec, f"{where}.turned_by", f"needs a trait {trait!r} with the value {value!r}")
    if cue.into and len(cue.into) != len(cue.turns):
        _fail(spec, f"{where}.into", f"gives {len(cue.into)} values for {len(cue.turns)} traits")
    for name, shown in itertools.zip_longest(cue.turns, cue.into):
        values = getattr(traits.get(name), "values", ())
        if shown is None and len(values) != 2:
            _fail(spec, f"{where}.turns", f"names {name!r}, which is not a trait of two values")
        if shown is not None and shown not in values:
            _fail(spec, f"{where}.into", f"has {name} = {shown!r}: choose one of {', '.join(values) or 'a known trait'}")
