"""Scoring a real model: the book's engine and lm-evaluation-harness on the same requests, in turn, each in its own process."""

from __future__ import annotations

import logging
import multiprocessing
import os
import resource
import sys
import sysconfig
import time
from dataclasses import dataclass
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

import numpy as np
from bench_training import peak

THREADS = 2
REPEATS = 2
MODEL = "smollm2"
ITEMS = 40                        # each in two frames with two continuations
BATCHES = (1, 8, 32)              # of the harness; the first is its default
TRIED = 24                        # requests that its batch sizes are tried on
_worker: dict[str, Any] = {}      # what each process sets up once


@dataclass(frozen=True)
class Run:
    """One way of scoring all requests, the best of the repeats."""

    seconds: float
    memory: float              # the largest the process became, MiB
    logprob: np.ndarray        # (requests,) nats


@dataclass(frozen=True)
class Scoring:
    """Both, on the same requests."""

    requests: int
    tokens: int                # of all requests, prompt and continuation, each counted whole
    peak: float                # float32 matrix products on THREADS threads, FLOP/s
    flop: float                # of the products that the book's engine computes for all requests
    psm: Run
    harness: dict[int, Run]    # by batch size: the default one, and the best of BATCHES; empty where it is not installed


def requests(items: int) -> list[tuple[str, str]]:
    """(prompt, continuation): transcripts in which a speaker answered in one of two characters, and two next answers."""
    from psm.real.items import ARMS, item_prompt, load_items

    return [
        (item_prompt(item, context, 1, ARMS[0]), " " + item.final.answer(answer))
        for item in load_items()[:items] for context in "ab" for answer in "ab"
    ]


def set_up(items: int, folder: str | None = None) -> None:
    """Prepare one process: the threads, the model, the requests; the packages of `folder` come before the book's."""
    if folder:
        sys.path.insert(0, folder)
    import torch

    from psm.real.loading import load_model

    torch.set_num_threads(THREADS)
    real = load_model(MODEL)
    _worker.update(model=real.model, tokenizer=real.tokenizer, requests=requests(items))


def psm_scores() -> tuple[float, np.ndarray]:
    """(seconds, log-probabilities) of all requests by the book's engine, tokenising included."""
    from psm.real.engine import continuation_logprobs

    started = time.perf_counter()
    scores = continuation_logprobs(_worker["model"], _worker["tokenizer"], _worker["requests"])
    return time.perf_counter() - started, scores.logprob


def harness_scores(batch: int, limit: int | None = None) -> tuple[float, np.ndarray]:
    """(seconds, log-probabilities) of the first `limit` requests by lm-evaluation-harness, tokenising included."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    logging.getLogger("lm_eval").setLevel(logging.ERROR)   # it warns of a model that is handed over rather than named
    model = HFLM(pretrained=_worker["model"], tokenizer=_worker["tokenizer"], batch_size=batch, backend="causal")
    asked = [Instance("loglikelihood", {}, pair, index) for index, pair in enumerate(_worker["requests"][:limit])]
    started = time.perf_counter()
    answers = model.loglikelihood(asked, disable_tqdm=True)
    return time.perf_counter() - started, np.array([logprob for logprob, _ in answers])


def flop() -> float:
    """FLOP of the matrix products that the book's engine computes for all requests, attention included."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

    def attention(query: tuple, key: tuple, value: tuple, *rest: Any, **named: Any) -> int:
        return sdpa_flop_count(query, key, value)

    on_cpu = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu   # which torch's counter leaves out
    with FlopCounterMode(display=False, custom_mapping={on_cpu: attention}) as counter:
        psm_scores()
    return float(counter.get_total_flops())


def size() -> tuple[int, int]:
    """(requests, tokens of all of them)."""
    from psm.real.passes import tokenise_pair

    return len(_worker["requests"]), sum(len(tokenise_pair(_worker["tokenizer"], *pair)[0]) for pair in _worker["requests"])


def harness_folder() -> str | None:
    """Where `make bench` installed lm-evaluation-harness, or None."""
    folder = sysconfig.get_path("purelib", vars={"base": str(Path(sys.prefix) / "bench")})
    return folder if (Path(folder) / "lm_eval").is_dir() else None


def memory() -> float:
    """The largest this process became, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def best(ways: dict[Any, list[tuple[float, np.ndarray]]], pool: Pool) -> dict[Any, Run]:
    """The fastest repeat of each way."""
    largest = pool.apply(memory)
    fastest = {way: min(repeats, key=lambda one: one[0]) for way, repeats in ways.items()}
    return {way: Run(seconds, largest, logprob) for way, (seconds, logprob) in fastest.items()}


def measure_scoring(items: int = ITEMS) -> Scoring | None:
    """Run both in turn, REPEATS times, and keep the best of each; None when the model was not fetched."""
    from psm.real.sources import local_path

    if local_path(MODEL) is None:
        return None
    os.environ.update(OMP_NUM_THREADS=str(THREADS), TOKENIZERS_PARALLELISM="false", TRANSFORMERS_VERBOSITY="error", HF_HUB_OFFLINE="1")
    context = multiprocessing.get_context("spawn")
    folder = harness_folder()
    with context.Pool(1) as ours, context.Pool(1) as theirs:
        ours.apply(set_up, (items,))
        batches = []
        if folder:
            theirs.apply(set_up, (items, folder))
            tried = {batch: theirs.apply(harness_scores, (batch, TRIED))[0] for batch in BATCHES}
            batches = sorted({BATCHES[0], min(tried, key=tried.__getitem__)})   # the default is the smallest
        peaks, psm, harness = [], [], {batch: [] for batch in batches}
        for _ in range(REPEATS):
            peaks += [ours.apply(peak) for _ in range(3)]
            psm.append(ours.apply(psm_scores))
            peaks += [ours.apply(peak) for _ in range(3)]
            for batch in batches:
                harness[batch].append(theirs.apply(harness_scores, (batch,)))
        count, tokens = ours.apply(size)
        run = best({"psm": psm}, ours)["psm"]
        return Scoring(count, tokens, max(peaks), ours.apply(flop), run, best(harness, theirs))
