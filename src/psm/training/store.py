"""The store of base models: one folder per world, seed and recipe, made once, read with its hash checked.

A folder's name holds a key of everything that its weights depend on, and the folder appears by rename when it is
complete: that it exists means that it is valid. Keys and paths are computed without importing torch.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from psm.errors import UsageError
from psm.files import content_key, read_json, sha256_file, source_digest, workspace, write_json
from psm.scale import get_scale
from psm.training.recipe import THREADS, recipe_for
from psm.world.worlds import get_world

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

    from psm.world.grammar import World

PACKAGE = Path(__file__).resolve().parent.parent
SOURCES = ("models/config.py", "models/tiny.py", "training/recipe.py", "training/pretrain.py", "training/loop.py", "training/optim.py")
WEIGHTS = "model.safetensors"
Progress = Callable[[int, int, float], None]


@dataclass(frozen=True)
class BaseModel:
    """A pretrained model with the world that it learnt."""

    id: str
    seed: int
    world: World
    model: LlamaForCausalLM
    folder: Path

    def checkpoints(self) -> list[tuple[int, LlamaForCausalLM]]:
        """(training tokens, model) of each kept stage of pretraining, the last one being the base model itself."""
        meta = _meta(self.folder)
        stages = [(meta["tokens_per_step"] * s, _read(self.folder, f"step-{s}")) for s in meta["checkpoints"]]
        return [*stages, (meta["tokens_per_step"] * meta["steps"], self.model)]


@lru_cache(maxsize=1)
def _source() -> str:
    world = [p for p in (PACKAGE / "world").iterdir() if p.suffix in (".py", ".yml")]
    return source_digest([*world, *(PACKAGE / s for s in SOURCES)])


def model_key(world_name: str, seed: int, scale_name: str) -> str:
    """Key of everything that the weights depend on: world, recipe, seed, sources, library versions, threads."""
    return content_key(
        {
            "world": get_world(world_name).to_dict(),
            "recipe": dataclasses.asdict(recipe_for(get_scale(scale_name))),
            "seed": seed,
            "source": _source(),
            "versions": [version("torch").split("+")[0], version("transformers"), version("numpy")],
            "threads": THREADS,
        }
    )


def model_path(world_name: str, seed: int, scale_name: str) -> Path:
    """Where the weights of a base model stand once they exist."""
    return workspace() / "store" / f"{world_name}-s{seed}-{model_key(world_name, seed, scale_name)}" / WEIGHTS


def ensure(world_name: str, seed: int, scale_name: str, progress: Progress | None = None) -> Path:
    """Path of the weights, pretraining them first if they are missing. Two processes that ask at once train once."""
    path = model_path(world_name, seed, scale_name)
    declared = os.environ.get("PSM_DECLARED")
    if declared is not None and path.parent.name not in declared.split(os.pathsep):
        raise UsageError(f"base model {world_name}, seed {seed} is not declared: name world {world_name!r} in the chapter's front matter")
    if path.exists():
        return path
    if os.environ.get("PSM_STORE") == "readonly":
        raise UsageError(
            f"base model {world_name}, seed {seed}, scale {scale_name} is not in the store: declare world {world_name!r} in the "
            f"chapter's front matter, or use `psm run`, which trains it first"
        )
    locks = path.parent.parent / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    with FileLock(locks / f"{path.parent.name}.lock"):
        if not path.exists():
            for leftover in path.parent.parent.glob(f".{path.parent.name}.*"):   # of a process that was killed
                shutil.rmtree(leftover, ignore_errors=True)
            _make(world_name, seed, scale_name, path.parent, progress)
    return path


def _make(world_name: str, seed: int, scale_name: str, folder: Path, progress: Progress | None) -> None:
    import torch

    from psm.training.pretrain import pretrain
    from psm.world.grammar import World
    from psm.world.tokenizer import build_tokenizer

    _quiet()
    torch.set_num_threads(THREADS)
    recipe = recipe_for(get_scale(scale_name))
    world = World(get_world(world_name), seed)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    started = time.monotonic()
    try:
        model = pretrain(world, recipe, seed, progress, lambda step, m: m.save_pretrained(temporary / f"step-{step}"))
        model.save_pretrained(temporary)
        build_tokenizer(world).save_pretrained(temporary)
        files = sorted(p for p in temporary.rglob("*") if p.is_file())
        meta = {
            "world": world_name,
            "seed": seed,
            "steps": recipe.steps,
            "checkpoints": list(recipe.checkpoint_steps()),
            "tokens_per_step": recipe.documents * world.length,
            "parameters": sum(p.numel() for p in model.parameters()),
            "seconds": round(time.monotonic() - started, 1),
            "sha256": {str(p.relative_to(temporary)): sha256_file(p) for p in files},
        }
        write_json(temporary / "meta.json", meta)
        os.rename(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _quiet() -> None:
    """No progress bars of transformers for files of a megabyte: they clutter notebooks."""
    from transformers.utils import logging

    logging.disable_progress_bar()


def _read(folder: Path, stage: str = "") -> LlamaForCausalLM:
    """The model in a store folder, or in its subfolder `stage`; every file's hash is checked first."""
    from transformers import LlamaForCausalLM

    _quiet()
    expected = {name: digest for name, digest in _meta(folder)["sha256"].items() if str(Path(name).parent) == (stage or ".")}
    for name, digest in expected.items():
        if not (folder / name).is_file() or sha256_file(folder / name) != digest:
            raise UsageError(f"base model file {folder / name} is corrupt: delete {folder} and it will be trained again")
    return LlamaForCausalLM.from_pretrained(folder / stage, use_safetensors=True, local_files_only=True).eval()


def _meta(folder: Path) -> dict:
    """What the store noted about a base model when it was made."""
    try:
        meta = read_json(folder / "meta.json")
        return {name: meta[name] for name in ("sha256", "tokens_per_step", "checkpoints", "steps")}
    except (UsageError, KeyError, TypeError):
        raise UsageError(f"base model {folder} is corrupt: delete it and it will be trained again") from None


def load(world_name: str, seed: int, scale_name: str, progress: Progress | None = None) -> BaseModel:
    """A base model from the store, its hash checked; trained first when missing, unless the store is read-only."""
    import torch

    from psm.world.grammar import World

    torch.set_num_threads(THREADS)
    path = ensure(world_name, seed, scale_name, progress)
    return BaseModel(path.parent.name, seed, World(get_world(world_name), seed), _read(path.parent), path.parent)
