"""What a few dialogues make of a base model, and at which tokens a post-trained model parts from the base it was made from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from psm.errors import UsageError
from psm.real.chat import SPEAKERS, render
from psm.real.margins import Cell
from psm.real.passes import token_ids
from psm.real.sampling import generate
from psm.real.sheets import Item, Sheet

if TYPE_CHECKING:
    import torch

    from psm.real.loading import RealModel

SHOTS = (0, 1, 2, 4, 8)
CONTROLS = ("shuffled answers", "unhelpful answers", "other names")   # each after as many shots as the longest of SHOTS
NAMES = ("Nora", "Peter", "Clara", "Martin", "Ines", "Joe", "Ruth", "Sam")
KINDS = ("unshifted", "marginal", "shifted")
TIE = 1e-4   # logits closer than this count as equal: with a cache and without they differ by about 3e-6


def few_shot_cells(sheet: Sheet, items: Sequence[Item]) -> list[Cell]:
    """The helpful against the unhelpful answer to each item's question, after pages of shots in plain text.

    Arms: "k shots" for each k of SHOTS, the Assistant answering helpfully. With the most shots also "shuffled answers" (every
    answer below a question that is not its own), "unhelpful answers" (the Assistant's) and "other names" (helpful, each shot
    by somebody else). Shots are items of the sheet that lie in another group of eight than the item that is asked.
    """
    return [
        Cell(item.id, arm, page(item["question"], shots), item["helpful"], item["unhelpful"])
        for number, item in enumerate(items)
        for arm, shots in _arms(_shots_before(sheet, number))
    ]


def helpful_tables(sheet: Sheet, items: Sequence[Item], prompted: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """What is measured of `few_shot_cells`, by quantity, from their margins: rows item, arm, value (nats per token).

    real_helpful: every item. real_helpful_on_topic: those whose unhelpful answer is not off-topic. real_helpful_by_page: means
    over the items that share their shots; `item` names the first of these shots.
    """
    rows = prompted.assign(value=prompted["margin_per_token"])[["item", "arm", "value"]]
    on_topic = {item.id for item in items if item["kind"] != "off-topic"}
    pages = {item.id: _shots_before(sheet, number)[0].id for number, item in enumerate(items)}
    by_page = rows.assign(item=rows["item"].map(pages)).groupby(["item", "arm"], sort=False)["value"].mean().reset_index()
    return {"real_helpful": rows, "real_helpful_on_topic": rows[rows["item"].isin(on_topic)], "real_helpful_by_page": by_page}


def page(question: str, shots: Sequence[tuple[str, str, str]] = ()) -> str:
    """Plain text of shots (question, who answers, answer) and of a last question, which the Assistant is about to answer."""
    told = [f"{SPEAKERS['user']}: {asked}\n\n{name}: {answer}" for asked, name, answer in shots]
    return "\n\n".join([*told, f"{SPEAKERS['user']}: {question}\n\n{SPEAKERS['assistant']}:"])


def _shots_before(sheet: Sheet, number: int) -> tuple[Item, ...]:
    """The shots before item `number` of the test, or of the items kept for development: the next group of the test's items."""
    most = SHOTS[-1]
    first = (number // most + 1) * most % (len(sheet.items) // most * most)
    return sheet.items[first : first + most]


def _arms(shots: Sequence[Item]) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    questions, helpful = [shot["question"] for shot in shots], [shot["helpful"] for shot in shots]
    assistant = [SPEAKERS["assistant"]] * len(shots)
    for k in SHOTS:
        yield f"{k} shots", list(zip(questions, assistant, helpful))[:k]
    shuffled = helpful[3:] + helpful[:3]   # nobody gets an answer of their own, nor that of the question before or after
    unhelpful = [shot["unhelpful"] for shot in shots]
    for arm, names, answers in zip(CONTROLS, (assistant, assistant, NAMES), (shuffled, unhelpful, helpful)):
        yield arm, list(zip(questions, names, answers))


def token_shift(
    base: RealModel,
    chat: RealModel,
    prompts: Sequence[str],
    n_tokens: int,
    text: str = "chat",
    batch: int = 8,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """At which tokens of the post-trained model's answers would the base model have written something else?

    `chat` answers each question greedily, with up to `n_tokens` tokens (the one that ends an answer is left out). Both models
    then read the same tokens: question and answer in the chat template of `chat` (text="chat"), or as "User: ..." and
    "Assistant: ..." (text="plain"; so too where there is no template). A base model has never seen a template's marks.

    Returns one row per token: prompt (its number), position, token (id), rank (its place in the base model's distribution, from
    1), kind (unshifted: rank 1; marginal: 2 or 3; shifted: beyond) and log_ratio (nats, log-probability in `chat` minus in
    `base`). Raises UsageError where the two do not share one tokenizer, or a text does not fit.
    """
    _demand_one_tokenizer(base, chat)
    if text not in ("chat", "plain"):
        raise UsageError(f"the text that both models read is 'chat' or 'plain', not '{text}'")
    asked = [page(prompt) if text == "plain" else render(chat, (("user", prompt),)) for prompt in prompts]
    contexts = [token_ids(chat.tokenizer, context) for context in asked]
    _demand_room(contexts, n_tokens, base, chat)
    order = sorted(range(len(contexts)), key=lambda i: len(contexts[i]))   # like lengths together: less padding
    rows = []
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        for i, answer in zip(chosen, generate(chat, [contexts[i] for i in chosen], n_tokens)):
            rows += [{"prompt": i, **row} for row in _compare(base, chat, contexts[i], answer)]
        if progress:
            progress(min(start + batch, len(order)), len(order))
    columns = ["prompt", "position", "token", "rank", "kind", "log_ratio"]
    return pd.DataFrame(rows, columns=columns).sort_values(["prompt", "position"], ignore_index=True)


def shares(shift: pd.DataFrame, items: Sequence[str]) -> pd.DataFrame:
    """Share of each question's tokens by kind: rows item, arm (a kind, or "among the first three") and value."""
    by_prompt = pd.crosstab(shift["prompt"], shift["kind"], normalize="index").reindex(columns=list(KINDS), fill_value=0.0)
    by_prompt["among the first three"] = by_prompt["unshifted"] + by_prompt["marginal"]
    table = by_prompt.rename_axis(columns="arm").stack().rename("value").reset_index()
    return table.assign(item=[items[prompt] for prompt in table["prompt"]])[["item", "arm", "value"]]


def _compare(base: RealModel, chat: RealModel, context: list[int], answer: list[int]) -> list[dict[str, float | int | str]]:
    """Each token of an answer: its rank in the base model and how much likelier it is in the other."""
    import torch

    if not answer:
        return []
    told, chosen = _logits(base, context, answer), torch.tensor(answer)[:, None]
    ranks = 1 + (told > told.gather(1, chosen) + TIE).sum(1)
    by_base, by_chat = (logits.log_softmax(-1).gather(1, chosen)[:, 0] for logits in (told, _logits(chat, context, answer)))
    return [
        {"position": at, "token": token, "rank": rank, "kind": KINDS[(rank > 1) + (rank > 3)], "log_ratio": ratio}
        for at, (token, rank, ratio) in enumerate(zip(answer, ranks.tolist(), (by_chat - by_base).tolist()))
    ]


def _logits(real: RealModel, context: list[int], answer: list[int]) -> torch.Tensor:
    """(len(answer), V) logits before each token of the answer."""
    import torch

    ids = torch.tensor([[*context, *answer[:-1]]], device=real.model.device)
    with torch.inference_mode():
        return real.model(ids, logits_to_keep=len(answer), use_cache=False).logits[0].float().cpu()


def _demand_one_tokenizer(base: RealModel, chat: RealModel) -> None:
    if base.tokenizer.get_vocab() != chat.tokenizer.get_vocab():
        raise UsageError(f"{base.name} and {chat.name} do not share one tokenizer, so that their tokens cannot be compared: "
                         "name a base model and a chat model made from it")


def _demand_room(contexts: Sequence[list[int]], n_tokens: int, *models: RealModel) -> None:
    needed = max(map(len, contexts), default=0) + n_tokens
    for real in models:
        limit = getattr(real.model.config, "max_position_embeddings", None)
        if limit and needed > limit:
            raise UsageError(f"a question with {n_tokens} tokens of answer needs {needed} positions, and {real.name} has {limit}: "
                             "ask for fewer tokens")
