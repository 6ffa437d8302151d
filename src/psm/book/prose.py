"""Numbers in prose: which sentences of a page state a result with a number that somebody typed.

A number in a sentence is innocent if it is bound to a run (glued, or filled in by a marker), if the sentence cites a publication, or
if it is a constant of the experiment: a literal in a cell that the page shows, in its front matter, or in its entries of the
registry. Some wordings are results whatever the number: change by a factor ("doubled"), a share of seeds or models ("two of three
seeds"), a part of something measured ("a third of the shift"), a course ("rose from .2 to .8"), and others of `RESULT_WORDS`. These
are innocent only in a sentence that cites, asks or instructs, or that says what would, should or is predicted to happen.
The strings of a page's cells count as prose too, for they reach the reader as captions, alt texts and glued text.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from psm.book.notebooks import FOLDED

BOUND, CITED, NAME = "⟦bound⟧", "⟦cited⟧", "⟦name⟧"


@dataclass(frozen=True)
class Finding:
    """A typed result: the line it begins in, its sentence, and the words that give it away."""

    line: int
    sentence: str
    what: str


# ---------------------------------------------------------------- a page's prose

_FENCE = re.compile(r"^\s*(`{3,}|:{3,}|~{3,})\s*(\{[^}]+\})?(.*)$")
_SILENT = {"{code-cell}", "{code}", "{code-block}", "{sourcecode}", "{literalinclude}", "{math}", "{bibliography}", "{toctree}", "{tableofcontents}", "{raw}",
           "{image}", "{include}", "{mermaid}", "{eval-rst}", "{glue}", "{csv-table}"}     # what stands in other directives is prose
_PLACES = {"{figure}", "{card}", "{button-link}", "{button-ref}"}      # directives whose argument is an address and no title
_GENERATED = re.compile(r"<!--\s*(\w+):begin\s*-->.*?<!--\s*\1:end\s*-->", re.S)
_BOUND_MARKER = re.compile(r"<!--\s*psm:value\s[^>]*-->")


def _blank(match: re.Match[str]) -> str:
    return "\n" * match.group(0).count("\n")


_MASKS: tuple[tuple[re.Pattern[str], str], ...] = (
    (_BOUND_MARKER, BOUND),
    (re.compile(r"<!--.*?-->", re.S), NAME),
    (re.compile(r"\{glue(?::\w+)?\}`[^`]*`"), BOUND),
    (re.compile(r"\{cite(?::\w+)?\}`[^`]*`"), CITED),
    (re.compile(r"\{\w[\w:-]*\}`([^`<]*)(?:<[^`]*>)?`"), r"\1"),
    (re.compile(r"`[^`\n]+`"), NAME),
    (re.compile(r"\]\([^()\s]*\)"), "]"),
    (re.compile(r"https?://\S+|arXiv:\d+\.\d+"), NAME),
    (re.compile(r"<[/a-zA-Z][^<>]*>"), " "),
    (re.compile(r"\b[Vv]ersions?\s+\d+(?:\.\d+)*|\bPython 3[\d.]*(?: to 3[\d.]*)?|\bCC BY [\d.]+"), NAME),
    (re.compile(r"\b(?:\d{1,2} )?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]* \d{4}\b|\b(?:1[0-9]|20)\d\d\b(?!\s*(?:tokens|nats|items|examples|steps|%))"), NAME),
    (re.compile(r"\b\d+(?:st|nd|rd|th)\b"), NAME),
    (re.compile(r"\b95 %(?= (?:interval|half-width|confidence))"), NAME),
    (re.compile(r"\b[A-Za-z]+[-\w]*\d[\w.-]*\w|\b[A-Z]\d+(?:\.\w+)*|\b[A-Za-z]+-\d[\w.-]*"), NAME),
    (re.compile(r"\b[Rr]ivals? \d|\bControl \d|\b[Cc]hapter \d+|\b[Ee]xercises? \d+"), NAME),
    (re.compile(r"^\|\s*\d+(?: to \d+)?(?=[\s|])", re.M), "| " + NAME),
)


def _prose_lines(text: str) -> list[str]:
    """The page's lines, blanked where they are no prose: front matter, code, directives' openings and options."""
    lines, kept, fences, options, front = text.split("\n"), [], [], False, False
    for number, line in enumerate(lines):
        if number == 0 and line == "---":
            front = True
            kept.append("")
            continue
        if front:
            front = line != "---"
            kept.append("")
            continue
        fence = _FENCE.match(line)
        if fence:
            mark, directive, title = fence.groups()
            closes = fences and directive is None and not title.strip() and mark[0] == fences[-1][0][0] and len(mark) >= len(fences[-1][0])
            if closes:
                fences.pop()
                kept.append("")
                continue
            if not fences or fences[-1][1]:
                speaks = directive is not None and directive not in _SILENT
                fences.append((mark, speaks))
                options = True
                kept.append(title if speaks and directive not in _PLACES else "")
                continue
        if fences and not fences[-1][1]:
            kept.append("")
        elif fences and options and re.match(r"\s*:[\w-]+:", line):
            kept.append("")
        else:
            options = options and not line.strip()
            kept.append(line)
    return kept


_STARTS_BLOCK = re.compile(r"^\s*(?:[-*+] |\d+\. |#+ |\||> |: )")
_SENTENCE_END = re.compile(r"(?<=[.!?])[)\"*'_]*\s+(?=[\"(*'_⟦]*[A-Z⟦\d])|(?<=[.!?][*\")])\s+")


def sentences(text: str) -> list[tuple[int, str]]:
    """Every sentence of a MyST page's prose with the line it begins in; bound numbers, citations and names are replaced by signs."""
    text = _GENERATED.sub(_blank, text)
    masked = "\n".join(_prose_lines(text))
    for pattern, sign in _MASKS:
        masked = pattern.sub(lambda m, sign=sign: (m.expand(sign) if "\\" in sign else sign) + "\n" * m.group(0).count("\n"), masked)
    found: list[tuple[int, str]] = []
    block: list[tuple[int, str]] = []

    def flush() -> None:
        if not block:
            return
        whole, starts = "", []
        for number, line in block:
            starts.append((len(whole), number))
            whole += line.strip() + " "
        at = 0
        for piece in _SENTENCE_END.split(whole):
            begin = whole.index(piece, at)
            at = begin + len(piece)
            if piece.strip():
                found.append((max(n for s, n in starts if s <= begin), " ".join(piece.split())))
        block.clear()

    for number, line in enumerate(masked.split("\n"), start=1):
        if not line.strip():
            flush()
            continue
        if _STARTS_BLOCK.match(line):
            flush()
        block.append((number, re.sub(r"^\s*(?:[-*+]|\d+\.|#+|>|:)\s+", "", line)))
    flush()
    return found


_CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```", re.M | re.S)
_OPTION = re.compile(r"^:[\w-]+:.*$", re.M)
WORDS_OF_A_SENTENCE = 6      # a string in a cell with fewer words is a name or a label


def _cells(text: str) -> Iterable[tuple[int, ast.Module, frozenset[str]]]:
    """Every code cell of Python alone: the line before its first, its syntax tree, its tags."""
    for match in _CELL.finditer(text):
        body = match.group(1)
        tags = re.search(r"^:tags: \[([^\]]*)\]", body, re.M)
        try:
            tree = ast.parse(_OPTION.sub("", body))
        except SyntaxError:      # a cell with a command of IPython
            continue
        yield text.count("\n", 0, match.start(1)), tree, frozenset(tag.strip() for tag in tags.group(1).split(",")) if tags else frozenset()


def cell_sentences(text: str) -> list[tuple[int, str]]:
    """Sentences among the strings of a page's cells, which reach the reader as captions, alt texts and glued text; what code fills in is bound."""
    found = []
    for before, tree, _ in _cells(text):
        inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)} \
            | {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                shown = "".join(part.value if isinstance(part, ast.Constant) else BOUND for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
                shown = node.value
            else:
                continue
            for pattern, sign in _MASKS:
                shown = pattern.sub(sign, shown)
            found += [(before + node.lineno, " ".join(piece.split())) for piece in _SENTENCE_END.split(shown)
                      if len(re.findall(r"[A-Za-z]{2,}", piece)) >= WORDS_OF_A_SENTENCE]
    return found


# ---------------------------------------------------------------- constants of the experiment

def _numbers_in(value: Any) -> Iterable[float]:
    if isinstance(value, bool):
        return
    if isinstance(value, (int, float)):
        yield abs(float(value))
    elif isinstance(value, str):
        yield from (float(n) for n in re.findall(r"(?<![\w.])\d*\.?\d+(?![\w.]*\w)", value))
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _numbers_in(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _numbers_in(part)


MEASURED_BEFORE = ("informed_by",)   # a registry's field that tells of results


def design_numbers(text: str, registered: Iterable[Mapping[str, Any]] = ()) -> frozenset[float]:
    """The constants of a page's experiment: literals of its shown cells, its front matter, and its registry entries."""
    found: set[float] = set()
    if text.startswith("---\n"):
        found |= set(_numbers_in(yaml.safe_load(text[4:text.index("\n---", 4)])))
    for _, tree, tags in _cells(text):
        if FOLDED & tags:     # such cells draw figures and bind numbers, and design nothing
            continue
        found |= {abs(float(node.value)) for node in ast.walk(tree)
                  if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool)}
        found |= {float(len(node.elts)) for node in ast.walk(tree) if isinstance(node, (ast.Tuple, ast.List))}
    for entry in registered:
        found |= set(_numbers_in({key: value for key, value in entry.items() if key not in MEASURED_BEFORE}))
    return frozenset(found)


# ---------------------------------------------------------------- what gives a result away

_DIGITS = r"(?<![\w.,⟦])[+−-]?(?:\d+(?:,\d{3})*(?:\.\d+)?(?:e[+−-]?\d+)?|\.\d+)(?!\w)"
_TENS = r"(?:ten|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|a hundred)"
_MANY = (r"(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|a dozen|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"
         rf"|{_TENS}|(?<![.,\d])\d+(?!\.\d))")
_EACH = r"(?:seed|model|training|run|world|assistant|network|redraw|replication|arm|control|test|item|question|template|pair|case|comparison|domain|subject)s"
_KIND = r"(?:base |main |trained |real |tiny |fresh |single |published |primary |secondary |registered |held-out )?"
_PART = (r"(?:(?:(?:a|one|about a|the) )?(?:half|third|quarter|fifth|tenth)|(?:two|three|four|five|nine) (?:thirds|quarters|fifths|tenths)"
         rf"|{_DIGITS} ?(?:%|per ?cent)|{_TENS} per ?cent)")
_MEASURED = (r"(?:shift|spread|effect|gap|difference|change|movement|rise|fall|drop|inference|distance|variance|advantage|probability|probabilities"
             r"|lead|divergence|log-odds|margin|level|increase|decrease|loss|gain|skill|bad answers|answers|size|value|way)s?")
_MOVES = (r"(?:rose|rises?|risen|rising|fell|falls?|fallen|falling|drop(?:s|ped|ping)?|gr[eo]ws?|growing|went|climb(?:s|ed|ing)?|shr[aiu]nks?"
          r"|mov(?:e|es|ed|ing)|jump(?:s|ed)?|s[aiu]nks?|increas(?:e|es|ed|ing)|decreas(?:e|es|ed|ing)|reach(?:es|ed|ing)?|gain(?:s|ed)?|lost"
          r"|shift(?:s|ed)?|brings?|brought|came|rais(?:e|es|ed|ing)|lower(?:s|ed|ing)?|cuts?|takes?|took)")
_LEVEL = (r"(?:probability|probabilities|odds|log-odds|share|margin|R²|estimate|mean|average|slope|correlation|divergence|accuracy|shift|gap"
          r"|difference|effect)")
_MORE = r"(?:more|less|fewer|larger|smaller|higher|lower|likelier|greater|bigger|stronger|weaker|likely|worse|better|further|faster)"

RESULT_WORDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple((name, re.compile(pattern, re.I)) for name, pattern in {
    "a factor": r"\b(?:doubled|doubling|tripled|tripling|trebled|trebling|quadrupled|quadrupling|halved|halving"
                r"|(?:doubles|triples|trebles|quadruples)(?= (?:the|its?|that|what|in|when|after|with)\b|[.,;])"
                rf"|(?:two|three|four|five|six|seven|eight|nine|ten|hundred|\d+)-?fold"
                rf"|(?:twice|thrice|(?:{_MANY}|{_DIGITS}) times) (?:as|that of|what|its|their|the(?! rate| learning rate| steps| number)|{_MORE})"
                rf"|a factor of (?:about )?(?:{_MANY}|{_DIGITS})|half as (?:much|many|likely|large|strong|often|big|far|high))\b",
    "a share of replicates": rf"\b(?:one of (?:the |our )?{_MANY}|(?:{_MANY}|nearly all|almost all|most|all|both|every one|few|hardly any|none(?! of these)|neither)"
                             rf" of (?:the |these |those |our |its |all )*(?:{_MANY} |⟦bound⟧ )?) ?{_KIND}{_EACH}\b",
    "most replicates": rf"(?<!at )\b(?:nearly all|almost all|most|hardly any|almost every|nearly every) {_KIND}(?:seeds?|models|trainings|runs|worlds|redraws?|replications?)\b"
                       rf"|\b(?:the|a) (?:great |large |vast )?majority of (?:the )?{_KIND}{_EACH}\b",
    "all replicates or only some": rf"\ball (?:of )?(?:the )?{_MANY} {_KIND}{_EACH}\b|\bonly (?:one|a single|{_MANY}) {_KIND}(?:{_EACH}|seed|model|training|run|item)\b"
                                   r"|\bin every (?:single )?(?:seed|model|training|run)\b|^every (?:single )?(?:seed|training)\b",
    "k in n": rf"\b(?:one|{_MANY})(?: [a-z]+)? (?:in|out of|of every) (?:every )?{_MANY}\b(?! (?:{_EACH}|parts|ways))|\b{_MANY} out of {_MANY}\b",
    "a part of something measured": rf"(?<!⟦bound⟧ than )\b{_PART} (?:of )?(?:(?:the|that|this|its|their|all|what) (?:[\w⟦⟧-]+ ){{0,2}}?){_MEASURED}\b",
    "a course": rf"\b{_MOVES}\b(?: [\w⟦⟧-]+){{0,4}}? (?:from|to|by|at) (?:about |some |nearly |roughly |around |almost |only |as much as )*(?:{_DIGITS}|{_PART}\b)",
    "a level": rf"\b{_LEVEL}\b(?: [\w⟦⟧()-]+){{0,5}}? (?:is|was|are|were|stands at|of|at|reads)"
               rf" (?:about |some |nearly |only |just |roughly )*(?:{_DIGITS}|{_TENS} per ?cent|{_PART}(?! of))",
    "an estimate": rf"\b(?:about|roughly|nearly|around|approximately|almost|some|over|under) (?:\d*\.\d+|\d+ ?(?:%|per ?cent)|{_TENS} per ?cent)",
    "a number of units": rf"\b(?:one|{_MANY}|half a|one and a half|two and a half) (?:whole |full )?(?:log-odds|nats?|percentage points)\b",
    "a duration": r"\b(?:about|some|nearly|roughly|around|almost|over|under|(?:(?:takes?|took|lasts|lasted|needs|needed|ran|runs)(?: [\w⟦⟧-]+){0,4}?)) "
                  rf"(?:{_MANY}|{_DIGITS}|half an|an) (?:seconds|minutes|hours?)\b",
    "significance": rf"\b(?:statistically|highly|very) significant\b|\bsignificant(?:ly)? at\b|\bp ?[<=≤>] ?{_DIGITS}",
}.items())

_NUMBER = re.compile(rf"{_DIGITS}(?: ?(?:%|per ?cent))?")
_CONDITIONAL = re.compile(
    r"\b(?:if|would|should|could|predict(?:s|ed|ion)?|expect(?:s|ed)?|ought|unless|whether|asks? (?:that|for|of|a)|must|ha(?:s|ve) to"
    r"|smallest (?:effect|difference|shift) (?:that counts|that matters|of interest) is|^the threshold is)\b", re.I)
_INSTRUCTION = re.compile(r"^(?:\*\*Predict first\.\*\* )?(?:Set|Run|Train|Post-train|Replace|Change|Use|Make|Try|Give|Repeat)\b")


_NOTHING_AND_ALL = (0.0, 1.0)


def _is_design(number: str, design: Collection[float]) -> bool:
    """Whether a typed number is a constant of the experiment; a percentage also stands for its fraction."""
    value = abs(float(re.sub(r"[^\d.e-]|^-", "", re.sub(r" ?(?:%|per ?cent)", "", number).replace("\N{MINUS SIGN}", "-"))))
    meant = {value, value / 100} if re.search(r"%|cent", number) else {value}
    return any(abs(one - known) < 1e-9 for one in meant for known in (*_NOTHING_AND_ALL, *design))


def _states(sentence: str) -> bool:
    """Whether a sentence states something: a question, an instruction and what would or should be state nothing."""
    return not (sentence.rstrip(")*\"' ").endswith("?") or _CONDITIONAL.search(sentence) or _INSTRUCTION.match(sentence))


def typed_results(text: str, design: Collection[float] = ()) -> list[Finding]:
    """Sentences of a page that state a result with a number typed by hand. `design` holds the page's constants (`design_numbers`)."""
    found = []
    for line, sentence in [*sentences(text), *cell_sentences(text)]:
        if CITED in sentence:
            continue
        what = [f"{name}: {match.group(0).strip()}" for name, pattern in RESULT_WORDS for match in pattern.finditer(sentence)] if _states(sentence) else []
        if not _INSTRUCTION.match(sentence):
            what += [f"a number: {number}" for number in _NUMBER.findall(sentence) if not _is_design(number, design)]
        if what:
            found.append(Finding(line, sentence, "; ".join(what)))
    return sorted(found, key=lambda finding: finding.line)


# ---------------------------------------------------------------- keys

def bound_keys(text: str, keys: Iterable[str]) -> set[str]:
    """Those of `keys` that a chapter's cells bind by `run.value`; where a key is put together, its parts must be strings of the cells."""
    whole: set[str] = set()
    built: list[tuple[str | None, ...]] = []     # None where code fills in a part
    words: set[str] = set()
    for _, tree, _ in _cells(text):
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, (str, int)):
                words |= {word := re.sub(r"\W+", "_", str(node.value)), word.lower()}
            elif isinstance(node, ast.keyword) and node.arg:
                words.add(node.arg)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "value" and node.args:
                name = node.args[0]
                if isinstance(name, ast.Constant):
                    whole.add(str(name.value))
                else:
                    parts = name.values if isinstance(name, ast.JoinedStr) else [name]
                    built.append(tuple(part.value if isinstance(part, ast.Constant) else None for part in parts))
    words.discard("")

    def fits(key: str, parts: tuple[str | None, ...]) -> bool:
        if not parts:
            return not key
        starts = words if parts[0] is None else {parts[0]}
        return any(key.startswith(start) and fits(key[len(start):], parts[1:]) for start in starts)

    return {key for key in keys if key in whole or any(fits(key, parts) for parts in built)}
