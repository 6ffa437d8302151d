"""Compiles a spec into arrays: persona states and their prior, answer probabilities, vocabulary and token layout.

A turn is five tokens, `cue domain topic name answer`: the user's side, who answers, and the answer. A statement of a
biography is four, `name verb value .`. Every token is a phrase that a person can read.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np

from psm.errors import UsageError
from psm.world.lexicon import SYNONYMS, load_lexicon
from psm.world.spec import LANGUAGES, Cue, WorldSpec

TURN = 5            # tokens of a turn
NAME, ANSWER = 3, 4   # places of the speaker's name and of the answer within a turn
STATEMENT = 4       # tokens of a statement
ASSISTANT = "Assistant"


@dataclass
class Vocabulary:
    """Token strings by id; a string is entered once."""

    tokens: list[str] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)

    def add(self, token: str) -> int:
        """Id of `token`, entering it if it is new."""
        if token not in self.ids:
            self.ids[token] = len(self.tokens)
            self.tokens.append(token)
        return self.ids[token]

    def __len__(self) -> int:
        return len(self.tokens)


def _index(what: str, name: str, known: tuple[str, ...]) -> int:
    """Place of `name` among the known ones. Raises UsageError that lists them."""
    if name not in known:
        raise UsageError(f"unknown {what} {name!r}: choose one of {', '.join(known)}")
    return known.index(name)


class World:
    """A spec made ready to sample, to score and to reason about exactly.

    S states (persona = one value per trait), D domains, C classes at most, K traits, V tokens.

    Attributes
    ----------
    states : (S, K) int, value index of each trait in each state
    prior : (S,) probability of each state for someone new
    class_probs : (S, D, C) P(answer class | state, domain) under the plain cue; 0 where a domain lacks the class
    language_probs : (S, 2) P(answer language | state)
    shown_states : (n_cues, S) the state as which each state answers under a cue: itself, but for those whom a cue turns
    cue_probs : (n_cues, D, C) forced class distribution under a demanding cue, NaN where the cue demands nothing
    answer_ids : (D, T, C, 2, SYNONYMS) token ids, -1 where absent (T topics at most)
    named_states : (n_named,) persona of each named character, drawn once per seed
    """

    def __init__(self, spec: WorldSpec, seed: int = 0, lexicon_path: str | None = None):
        self.spec, self.seed = spec, seed
        self.lexicon = load_lexicon(spec, lexicon_path)
        self.trait_names = tuple(t.name for t in spec.traits)
        self.domain_names = tuple(d.name for d in spec.domains)
        self.cue_names = tuple(c.name for c in spec.cues)
        self._compile_personas()
        self._compile_answers()
        self._compile_vocabulary()
        rng = np.random.default_rng([777, seed])
        self.named_states = rng.choice(len(self.prior), size=spec.named, p=self.prior)
        self.named_domain_states = rng.choice(len(self.prior), size=(spec.named, len(spec.domains)), p=self.prior)
        self.declared_states = np.array([self.state_of(d.values) for d in spec.declared], dtype=int)

    # -- personas ---------------------------------------------------------------------------------------------------
    def _compile_personas(self) -> None:
        spec = self.spec
        sizes = [len(t.values) for t in spec.traits]
        self.states = np.array(list(itertools.product(*map(range, sizes))))
        self.archetype_prior = np.array([a.prior for a in spec.archetypes])
        self.archetype_states = np.array([self.state_of(a.values) for a in spec.archetypes])
        self.state_given_archetype = np.ones((len(spec.archetypes), len(self.states)))
        for row, home in zip(self.state_given_archetype, self.archetype_states):
            for k, size in enumerate(sizes):
                same = self.states[:, k] == self.states[home, k]
                row *= np.where(same, 1 - spec.resample, spec.resample / (size - 1))
        self.prior = self.archetype_prior @ self.state_given_archetype

    def state_of(self, values: tuple[str, ...]) -> int:
        """Index of the state with these trait values, in the order of the spec's traits."""
        wanted = [_index(f"value of {t.name}", v, t.values) for t, v in zip(self.spec.traits, values)]
        return int(np.flatnonzero((self.states == wanted).all(1))[0])

    def archetype(self, name: str, **changes: str) -> int:
        """Index of an archetype's own state, with some traits changed: `archetype("novice", kind="ai")`.

        Raises UsageError that lists the known archetypes, traits or values.
        """
        for trait in changes:
            _index("trait", trait, self.trait_names)
        home = self.spec.archetypes[_index("archetype", name, tuple(a.name for a in self.spec.archetypes))]
        return self.state_of(tuple((dict(zip(self.trait_names, home.values)) | changes).values()))

    def typical(self, **traits: str) -> int:
        """Index of the most common state with these values: `typical(benevolence="bad", era="old")`.

        In whatever world it is asked, so that a demonstration can be said in traits rather than by an archetype's name.
        Raises UsageError that lists the known traits or values.
        """
        fits = np.all([self.has(trait, value) for trait, value in traits.items()], axis=0) if traits else True
        return int(np.where(fits, self.prior, -1.0).argmax())

    def has(self, trait: str, value: str) -> np.ndarray:
        """(S,) whether each state has this value of this trait."""
        k = _index("trait", trait, self.trait_names)
        return self.states[:, k] == _index(f"value of {trait}", value, self.spec.traits[k].values)

    def describe(self, state: int) -> dict[str, str]:
        """Trait values of a state, in words."""
        return {t.name: t.values[self.states[state, k]] for k, t in enumerate(self.spec.traits)}

    # -- answers ----------------------------------------------------------------------------------------------------
    def _compile_answers(self) -> None:
        spec = self.spec
        self.n_classes = np.array([len(d.classes) for d in spec.domains])
        n_states, n_domains, most = len(self.states), len(spec.domains), int(self.n_classes.max())
        self.class_probs = np.zeros((n_states, n_domains, most))
        for d, domain in enumerate(spec.domains):
            for values, probabilities in domain.table:
                rows = np.all([self.has(t, v) for t, v in zip(domain.traits, values)], axis=0)
                self.class_probs[rows, d, : len(probabilities)] = probabilities
        german = self.has("language", spec.traits[self.trait_names.index("language")].values[1])
        self.language_probs = np.where(german[:, None] == [False, True], 1 - spec.language_noise, spec.language_noise)
        self.shown_states = np.array([self._shown_under(cue) for cue in spec.cues])
        self.cue_probs = np.full((len(spec.cues), n_domains, most), np.nan)
        self.cue_eligible = np.ones((len(spec.cues), n_domains), bool)
        for c, cue in enumerate(spec.cues):
            for d, domain in enumerate(spec.domains):
                if cue.demands is None:
                    continue
                self.cue_eligible[c, d] = cue.demands in domain.classes
                if self.cue_eligible[c, d]:
                    rest = (1 - cue.compliance) / (len(domain.classes) - 1)
                    forced = [cue.compliance if cls == cue.demands else rest for cls in domain.classes]
                    self.cue_probs[c, d, : len(forced)] = forced
                    self.cue_probs[c, d, len(forced):] = 0

    def _shown_under(self, cue: Cue) -> np.ndarray:
        """(S,) the state as which each state answers under a cue."""
        if not cue.turns:
            return np.arange(len(self.states))
        other = self.states.copy()
        for name, value in itertools.zip_longest(cue.turns, cue.into):
            k = self.trait_names.index(name)
            other[:, k] = 1 - other[:, k] if value is None else self.spec.traits[k].values.index(value)
        index = {tuple(state): i for i, state in enumerate(self.states.tolist())}
        return np.where(self.has(*cue.turned_by), [index[tuple(state)] for state in other.tolist()], np.arange(len(other)))

    def answer_probs(self, states: np.ndarray, domain: np.ndarray, cue: np.ndarray) -> np.ndarray:
        """(n, C) class probabilities for states (n,), domains (n,), cues (n,)."""
        forced = self.cue_probs[cue, domain]
        return np.where(np.isnan(forced), self.class_probs[self.shown_states[cue, states], domain], forced)

    def domain(self, name: str) -> int:
        """Index of a domain. Raises UsageError that lists the known ones."""
        return _index("domain", name, self.domain_names)

    def cue(self, name: str) -> int:
        """Index of a cue. Raises UsageError that lists the known ones."""
        return _index("cue", name, self.cue_names)

    def class_index(self, domain: str, cls: str) -> int:
        """Index of an answer class within its domain. Raises UsageError that lists the known ones."""
        return _index(f"answer class of {domain}", cls, self.spec.domains[self.domain(domain)].classes)

    def demands(self, cue: int, domain: int) -> bool:
        """Whether a cue makes everyone answer alike in a domain (both by index)."""
        return not np.isnan(self.cue_probs[cue, domain, 0])

    # -- vocabulary -------------------------------------------------------------------------------------------------
    def _compile_vocabulary(self) -> None:
        spec, words = self.spec, self.lexicon
        self.vocabulary = vocab = Vocabulary()
        self.pad, self.dialogue, self.biography, self.stop, self.is_ = (
            vocab.add(t) for t in ("<pad>", "<dialogue>", "<biography>", ".", "is")
        )
        self.cue_ids = np.array([vocab.add(words["cues"][c.name]) for c in spec.cues])
        self.domain_ids = np.array([vocab.add(f"[{d.name}]") for d in spec.domains])
        topics = [words["domains"][d.name]["topics"] for d in spec.domains]
        self.n_topics = np.array([len(t) for t in topics])
        self.topic_ids = np.full((len(spec.domains), self.n_topics.max()), -1)
        self.answer_ids = np.full(
            (len(spec.domains), self.n_topics.max(), self.n_classes.max(), len(LANGUAGES), SYNONYMS), -1
        )
        for d, domain in enumerate(spec.domains):
            entry = words["domains"][domain.name]
            self.topic_ids[d, : len(topics[d])] = [vocab.add(t) for t in topics[d]]
            for c, cls in enumerate(domain.classes):
                for lang, language in enumerate(LANGUAGES):
                    phrases = [vocab.add(p) for p in entry["answers"][cls][language]]
                    for t in range(len(topics[d])):
                        self.answer_ids[d, t, c, lang] = phrases[t] if entry.get("by_topic") else phrases[:SYNONYMS]
        self.verb_ids = [np.array([vocab.add(v) for v in words["traits"][t.name]["verbs"]]) for t in spec.traits]
        self.value_ids = [
            [np.array([vocab.add(v) for v in words["traits"][t.name]["values"][value]]) for value in t.values]
            for t in spec.traits
        ]
        self.anonymous_ids = np.array([vocab.add(n) for n in words["names"]["anonymous"]])
        self.named_ids = np.array([vocab.add(n) for n in words["names"]["named"][: spec.named]])
        for name in words["names"]["declared"]:
            vocab.add(name)
        self.declared_ids = np.array([vocab.ids[d.name] for d in spec.declared], dtype=int)
        self.assistant = vocab.add(ASSISTANT)
        self.user_side = np.zeros(len(vocab), bool)   # tokens whose choice is random: left out of the loss
        self.user_side[[self.pad, *self.cue_ids, *self.domain_ids, *self.topic_ids[self.topic_ids >= 0]]] = True

    @property
    def length(self) -> int:
        """Tokens of a document: one for its kind, then room for the dialogue."""
        return 1 + TURN * self.spec.turns

    @property
    def long_length(self) -> int:
        """Tokens of a long dialogue."""
        return 1 + TURN * self.spec.long_turns

    def name_id(self, name: str) -> int:
        """Token id of a speaker's name. Raises UsageError for a name that the world does not have."""
        if name not in self.vocabulary.ids:
            raise UsageError(f"unknown name {name!r} in world {self.spec.name!r}")
        return self.vocabulary.ids[name]
