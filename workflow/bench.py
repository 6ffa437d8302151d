"""`make bench`: speed and memory of training, scoring and the book on this machine, as one small table."""

from __future__ import annotations

import sys

from bench_book import Costs, measure_costs
from bench_scoring import MODEL, THREADS, Scoring, measure_scoring
from bench_training import MATRIX, PROCESSES, REPEATS, Speeds, Training, measure_speeds

from psm.errors import RunError, UsageError

Row = tuple[str, str, str]   # what, how much, held against what


def training_row(what: str, training: Training, speeds: Speeds, beside: str) -> Row:
    """A loop's speed, with its share of the peak by the usual estimate and by the products it really computes."""
    estimate = training.speed * 6 * speeds.parameters / speeds.peak
    computed = training.speed * training.flop_per_token / speeds.peak
    return what, f"{training.speed:,.0f} tokens/s", f"{estimate:.0%} of peak by 6N, {computed:.0%} computed{beside}"


def speed_rows(speeds: Speeds) -> list[Row]:
    """Training and scoring."""
    rows = [
        ("float32 matrix product, the peak", f"{speeds.peak / 1e9:.0f} GFLOP/s", f"{MATRIX} x {MATRIX}"),
        training_row("psm pretraining (Muon, AdamW)", speeds.muon, speeds, ""),
        training_row("psm loop with AdamW only", speeds.adamw, speeds, f"; {speeds.adamw.speed / speeds.muon.speed:.2f} x psm pretraining"),
    ]
    ratio = speeds.trainer.speed / speeds.muon.speed
    rows.append(training_row("transformers Trainer (AdamW)", speeds.trainer, speeds, f"; {ratio:.2f} x psm pretraining"))
    return rows + [
        ("drawing the corpus", f"{speeds.corpus:,.0f} tokens/s", f"{speeds.muon.speed / speeds.corpus:.1%} of pretraining time"),
        ("scoring, answers of dialogues", f"{speeds.scoring:,.0f} tokens/s", f"{speeds.scoring / speeds.muon.speed:.1f} x psm pretraining"),
        ("scoring, all questions to a name", f"{speeds.questions:,.0f} questions/s", ""),
    ]


def scoring_rows(scoring: Scoring | None) -> list[Row]:
    """Scoring continuations with a real model, beside lm-evaluation-harness."""
    if scoring is None:
        return [(f"psm scoring, {MODEL}", "not measured", f"the model is not on this machine: psm models fetch {MODEL}")]
    psm = scoring.psm
    share = scoring.flop / psm.seconds / scoring.peak
    rows = [
        (f"float32 matrix product, {THREADS} threads", f"{scoring.peak / 1e9:.0f} GFLOP/s", ""),
        (
            f"psm scoring, {MODEL}", f"{scoring.requests / psm.seconds:.1f} requests/s",
            f"{share:.0%} of peak computed; peak {psm.memory:,.0f} MiB",
        ),
    ]
    for number, (batch, run) in enumerate(scoring.harness.items()):
        which = "its best of those tried" if number == len(scoring.harness) - 1 else "its default"
        apart = abs(run.logprob - psm.logprob).max()
        rows.append((
            f"lm-evaluation-harness, batch {batch}", f"{scoring.requests / run.seconds:.1f} requests/s",
            f"{which}; psm is {run.seconds / psm.seconds:.2f} x; peak {run.memory:,.0f} MiB; at most {apart:.1g} nats apart",
        ))
    missing = ("lm-evaluation-harness", "not measured", "it is not installed: make bench installs it, with a network")
    return rows if scoring.harness else [*rows, missing]


def cost_rows(costs: Costs) -> list[Row]:
    """The book."""
    return [
        (
            "executor, an almost empty chapter", f"{costs.executed:.2f} s",
            f"{costs.executed - costs.bare:+.2f} s over nbclient alone ({costs.bare:.2f} s)",
        ),
        (
            "psm book --scale smoke, from nothing", f"{costs.book:.0f} s",
            f"peak {costs.together:,.0f} MiB together, {costs.largest:,.0f} MiB the largest process",
        ),
        ("psm book --scale smoke, nothing to do", f"{costs.nothing:.2f} s", f"{costs.nothing / costs.book:.1%} of the run"),
        ("building the pages", f"{costs.pages:.1f} s", f"{costs.pages / costs.book:.0%} of the run"),
    ]


def table(rows: list[Row]) -> str:
    """Rows in aligned columns."""
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    return "\n".join(f"{what:<{widths[0]}}  {value:>{widths[1]}}  {beside}".rstrip() for what, value, beside in rows)


def main() -> int:
    """Measure, print, and say what the numbers mean."""
    try:
        print("bench: training and scoring (about two minutes)", file=sys.stderr, flush=True)
        speeds = measure_speeds()
        print(table(speed_rows(speeds)), flush=True)
        print(
            f"\nSpeeds: {PROCESSES} processes of one thread each, added up, best of {REPEATS} alternating repeats; model of "
            f"{speeds.parameters:,} parameters (N), {speeds.step_tokens:,} tokens a step.\n6N: 6 FLOP per parameter and token, the usual "
            "estimate. Computed: the matrix products of a step as counted by torch, the\noptimiser's included and outputs only "
            "where they are learnt. Shares mean little while other programs run.\n", flush=True,
        )
        print("bench: scoring with a real model (some minutes)", file=sys.stderr, flush=True)
        scoring = measure_scoring()
        print(table(scoring_rows(scoring)), flush=True)
        if scoring:
            print(
                f"\n{scoring.requests} requests, {scoring.tokens:,} tokens with their prompts, in turn, {THREADS} threads, "
                "tokenising included.\n", flush=True,
            )
        print("bench: the book in a scratch folder, from nothing (some minutes)", file=sys.stderr, flush=True)
        print(table(cost_rows(measure_costs())))
    except (RunError, UsageError) as error:
        print(f"psm: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
