"""The command line: one short command for each thing a person does with the book."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from psm.book.stopping import stoppable
from psm.errors import RunError, UsageError
from psm.files import workspace

if TYPE_CHECKING:
    from psm.book.plan import Plan

SCALE_HELP = "smoke, laptop or full"
EXAMPLES = """examples:
  psm book --scale smoke             run the whole book small, to see that all of it runs
  psm run p1 --scale laptop          execute one chapter again
  psm run g1 --seeds 5,6 -p steps=20 with other seeds and another value of one of its parameters
  psm run p1 --model ./my-model      with another real model: a folder or a hub id
  psm ledger --scale laptop          the verdicts
"""


class Parser(argparse.ArgumentParser):
    """argparse whose errors are one line and exit code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"psm: {message} (see: {self.prog} --help)\n")


def build_parser() -> Parser:
    """The parser of every command."""
    parser = Parser(prog="psm", description="The Persona Selection Model as an executable book.", epilog=EXAMPLES,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    _add_book(commands)
    _add_run(commands)
    for name, does in (
        ("pages", "build the pages from what has been executed"),
        ("pdf", "print the pages as one PDF, building them first where they are out of date"),
        ("ledger", "print the verdicts"),
        ("edition", "write evidence/ and the README's ledger from a finished run and a clean tree"),
        ("verify", "check the published edition, file by file, against its manifest and checksums"),
        ("freeze", "tag the version that is checked out, with the checksum of its published edition"),
    ):
        _scaled(commands.add_parser(name, help=does, description=_sentence(does)), "laptop")
    does = "hold this run against the published edition and name what drifted"
    compare = _scaled(commands.add_parser("compare", help=does, description=f"{_sentence(does)} Exit code 1 when anything did."), "laptop")
    compare.add_argument("chapters", nargs="*", metavar="CHAPTER", help="compare only these (default: the whole book)")
    models = commands.add_parser("models", help="list the real models, or fetch one", description="List the real models, or fetch one.")
    fetching = models.add_subparsers(dest="action", metavar="fetch", parser_class=Parser)
    fetch = fetching.add_parser("fetch", help="download, verify and convert one", description="Download, verify and convert a model, once.")
    fetch.add_argument("name", metavar="NAME", help="a name that 'psm models' lists, or a hub id: owner/name@revision")
    fetch.add_argument("--accept-terms", action="store_true", help="you have read the model's terms of use and accept them")
    lab = _scaled(commands.add_parser("lab", help="open the chapters as notebooks in JupyterLab",
                                      description="Open the chapters as notebooks, in a scratch folder, in JupyterLab."), "smoke")
    lab.add_argument("--no-browser", action="store_true", help="start the server only and print its address")
    return parser


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _scaled(parser: argparse.ArgumentParser, default: str) -> argparse.ArgumentParser:
    parser.add_argument("--scale", default=default, metavar="SCALE", help=f"{SCALE_HELP} (default: {default})")
    return parser


def _add_book(commands: argparse._SubParsersAction) -> None:
    does = "run all of the book that is out of date, then build its pages"
    book = _scaled(commands.add_parser("book", help=does, description=_sentence(does)), "laptop")
    book.add_argument("chapters", nargs="*", metavar="CHAPTER", help="execute only these, without verdicts and pages")
    book.add_argument("--seeds", metavar="LIST", help="seeds such as 0,1,2 (default: the scale's)")
    book.add_argument("--cores", type=_count, default=2, metavar="N", help="jobs at a time, one thread each (default: 2)")
    book.add_argument("--fetch", action="store_true", help="first fetch the real models that chapters use; the book builds without them")
    book.add_argument("--until", choices=("chapters", "ledger", "pages"), help="stop after this part (default: pages)")


def _add_run(commands: argparse._SubParsersAction) -> None:
    does = "execute one chapter again"
    run = _scaled(commands.add_parser("run", help=does, description=_sentence(does)), "smoke")
    run.add_argument("chapter", metavar="CHAPTER")
    run.add_argument("--seeds", metavar="LIST", help="seeds such as 0,1,2 (default: the scale's)")
    run.add_argument("-p", dest="parameters", action="append", default=[], metavar="NAME=VALUE", help="set one of its parameters")
    for name, what in (("model", "in place of the chapter's real model"), ("base", "as its base model"), ("chat", "as its chat model")):
        run.add_argument(f"--{name}", metavar="ID_OR_PATH", help=f"{what}: a folder, a hub id (owner/name@revision) or a known name")
    run.add_argument("--train-missing", action=argparse.BooleanOptionalAction, default=True,
                     help="first train base models that are missing (default: yes)")


def build_job_parser() -> Parser:
    """The parser of `psm job`: one job of the workflow, for workflow/Snakefile and not for people."""
    parser = Parser(prog="psm job", description="Run one job of the workflow.")
    kinds = parser.add_subparsers(dest="kind", required=True, parser_class=Parser)
    for kind in ("model", "chapter", "ledger", "pages"):
        job = _scaled(kinds.add_parser(kind), "laptop")
        if kind in ("model", "chapter"):
            job.add_argument("name")
        job.add_argument("--key", required=True)
        job.add_argument("--seeds")
        job.add_argument("--chapters", default="")
    parser.set_defaults(command="job")
    return parser


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 1 up")
    return int(text)


def _plan(scale: str, chapters: Sequence[str] = (), seeds: str | None = None, parameters: dict | None = None) -> Plan:
    from psm.book.plan import make_plan, parse_seeds

    return make_plan(scale, tuple(chapters), None if seeds is None else parse_seeds(seeds), parameters)


def _book(options: argparse.Namespace) -> int:
    from psm.book.run import run_book
    from psm.evidence.registry import load_registry

    names = tuple(dict.fromkeys(options.chapters))
    if names and options.until in ("ledger", "pages"):
        raise UsageError(f"--until {options.until} needs every chapter: name no chapters, or leave --until out")
    plan = _plan(options.scale, names, options.seeds)
    if options.fetch and _fetch_declared(plan):
        plan = _plan(options.scale, names, options.seeds)
    until = options.until or ("chapters" if names else "pages")
    if until != "chapters":
        load_registry(plan.root / "claims.yml")
    print(run_book(plan, options.cores, until, names, options.seeds is not None))
    return 0


def _fetch_declared(plan: Plan) -> bool:
    """Fetch the real models that the plan's chapters name and that are not here; whether anything was fetched."""
    from psm.real.sources import TermsNotAccepted, fetch, local_digest

    wanted = {name: None for job in plan.chapters for name in job.chapter.real_models if local_digest(name) is None}
    fetched = False
    for name in wanted:
        try:
            fetch(name, _to_stderr)
            fetched = True
        except TermsNotAccepted as terms:
            print(f"psm: {terms}; the book builds without it and says so", file=sys.stderr)
        except Exception as error:   # a network fails in many ways, and none of them may stop the book
            what = " ".join(f"{type(error).__name__}: {error}".split())
            print(f"psm: {name} could not be fetched ({what}); the book builds without it and says so", file=sys.stderr)
    return fetched


def _run(options: argparse.Namespace) -> int:
    from psm.book.chapters import get_chapter
    from psm.book.jobs import forget_verdicts, run_chapter, train_missing
    from psm.book.notebooks import checked_parameters, parse_parameters
    from psm.book.own_models import asked_models, at_hand, judge_own
    from psm.book.plan import parse_seeds
    from psm.scale import get_scale

    chapter = get_chapter(options.chapter)
    get_scale(options.scale)        # before a model is fetched for a command that cannot run
    if options.seeds is not None:
        parse_seeds(options.seeds)
    parameters = parse_parameters(chapter, options.parameters)
    asked = asked_models(chapter, vars(options), parameters)
    checked_parameters(chapter, parameters | asked)
    found = at_hand(asked, _to_stderr)
    parameters |= asked | {name: model.spec for name, model in found.items()}
    plan = _plan(options.scale, [chapter.name], options.seeds, parameters)
    checked_parameters(chapter, plan.chapter(chapter.name).parameters)
    if options.train_missing:
        train_missing(plan, chapter.name)
    folder = run_chapter(plan, chapter.name, again=True)
    print(f"chapter {chapter.name} finished: {folder / 'executed.ipynb'}")
    if found:
        print(judge_own(plan, chapter, found))
    if all(parameters[name] == chapter.parameters[name] for name in asked):
        forget_verdicts(plan)
    return 0


def _pages(options: argparse.Namespace) -> int:
    from psm.book.run import only_run

    with only_run():
        print(f"Pages: {_made_pages(options.scale).pages_stamp.parent / 'index.html'}")
    return 0


def _made_pages(scale: str, again: bool = True) -> Plan:
    """Build the pages of a finished run, or keep those that are current unless `again`."""
    from psm.book.jobs import make_pages

    plan = _plan(scale)
    missing = [step.label for step in plan.pending("ledger")]
    if missing:
        raise UsageError(f"pages need {', '.join(missing)} at {plan.scale.name} scale: run 'psm book --scale {plan.scale.name}'")
    if again or not plan.pages_stamp.is_file():
        make_pages(plan)
    return plan


def _pdf(options: argparse.Namespace) -> int:
    from psm.book.browser import find
    from psm.book.pdf import make_pdf
    from psm.book.run import only_run

    with only_run():
        find()      # before pages are built for a command that cannot print them
        print(f"PDF: {make_pdf(_made_pages(options.scale, again=False))}")
    return 0


def _ledger(options: argparse.Namespace) -> int:
    from psm.book.jobs import ledger_rows
    from psm.evidence.ledger import read_ledger
    from psm.evidence.tables import format_table

    plan = _plan(options.scale)
    rows = read_ledger(plan.ledger_folder) if plan.ledger.exists() else ledger_rows(plan)
    print(format_table(rows))
    waiting = [job.chapter.name for job in plan.chapters if not job.record.exists()]
    if waiting:
        print(f"psm: no current run at {plan.scale.name} scale of {', '.join(waiting)}", file=sys.stderr)
    return 0


def _compare(options: argparse.Namespace) -> int:
    from psm.book.chapters import discover, select
    from psm.book.compare import format_drifts
    from psm.book.jobs import drifts

    select(options.chapters, discover())
    found = drifts(_plan(options.scale), options.chapters)
    print(format_drifts(found))
    return 1 if found else 0


def _edition(options: argparse.Namespace) -> int:
    from psm.book.edition import make_edition
    from psm.book.run import only_run

    with only_run():
        print(f"edition written: {make_edition(options.scale)}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from psm.book.freezing import verify

    print(verify(options.scale))
    return 0


def _freeze(options: argparse.Namespace) -> int:
    from psm.book.freezing import freeze

    tag = freeze(options.scale)
    print(f"frozen as {tag}: git show {tag} says what it vouches for; git push origin {tag} publishes it")
    return 0


def _models(options: argparse.Namespace) -> int:
    from psm.real.sources import fetch, listing

    if options.action == "fetch":
        print(f"{options.name} is ready: {fetch(options.name, _to_stderr, options.accept_terms)}")
        return 0
    home = workspace()
    for model in listing():
        where = model.folder.relative_to(home) if model.folder and model.state == "ready" else model.how
        print(f"{model.spec}  {model.title}, {model.licence}, {model.size / 1e6:.0f} MB, {model.kind}, {model.state}: {where}")
    print("any other causal model: its folder, or from the hub with psm models fetch OWNER/NAME@REVISION")
    return 0


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _lab(options: argparse.Namespace) -> int:
    from psm.book.labs import open_lab

    return open_lab(options.scale, not options.no_browser)


def _job(options: argparse.Namespace) -> int:
    from psm.book.jobs import run_job

    chapters = [name for name in options.chapters.split(",") if name]
    name = getattr(options, "name", "")
    run_job(options.kind, name, options.key, lambda: _plan(options.scale, chapters, options.seeds))
    return 0


COMMANDS = {
    "book": _book, "run": _run, "pages": _pages, "pdf": _pdf, "ledger": _ledger, "compare": _compare, "edition": _edition,
    "verify": _verify, "freeze": _freeze,
    "models": _models, "lab": _lab, "job": _job,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns 0, 1 (something that ran failed), 2 (bad input) or 130 (interrupted)."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments[:1] == ["job"]:
        options = build_job_parser().parse_args(arguments[1:])
    else:
        options = build_parser().parse_args(arguments)
    try:
        with stoppable():
            return COMMANDS[options.command](options)
    except UsageError as error:
        print(_lines("psm: ", error), file=sys.stderr)
        return 2
    except RunError as error:
        print(_lines("psm: ", error), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("psm: stopped; what was finished stays, nothing half made remains", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"psm: {' '.join(str(error).split())}", file=sys.stderr)
        return 1


def _lines(prefix: str, error: Exception) -> str:
    return "\n".join(prefix + line for line in str(error).splitlines())
