"""A small book in a temporary folder, with real notebooks that take a second each and no science in them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from psm.book.plan import make_plan
from psm.files import sha256_file

BOOK = Path(__file__).resolve().parents[2]
PARAMETERS = 'scale = "smoke"\nseeds = [0]\nk = 3'
FINISH = """from psm import lab
run = lab.start("NAME", scale=scale, seeds=seeds)
run.measure([{"quantity": "made_up", "world": "main", "seed": s, "arm": "a", "item": "i", "value": 1.0 + s} for s in seeds])
run.value("made_up", 1.0)
run.finish()"""
PAGES = {
    "index.md": "# A toy book\n\n<!-- psm:ledger-summary -->\n",
    "chapters/ledger.md": "# The ledger\n\n<!-- psm:ledger -->\n",
}
CITATION = "cff-version: 1.2.0\ntitle: A toy book\nversion: 9.8.7\nauthors:\n  - {family-names: Doe, given-names: Jane}\n"

TEMPLATE = "{% for m in messages %}<{{ m['role'] }}> {{ m['content'] }}\n{% endfor %}{% if add_generation_prompt %}<assistant> {% endif %}"
VOCABULARY = 500
GROUPED = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2}
SHAPES = {    # settings of each architecture, and its name for the spread of random weights
    "gpt2": ({"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 8192}, "initializer_range"),
    "qwen2": (GROUPED, "initializer_range"),
    "llama": (GROUPED | {"max_position_embeddings": 8192}, "initializer_range"),
    "opt": ({"hidden_size": 32, "word_embed_proj_dim": 32, "ffn_dim": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
             "max_position_embeddings": 8192}, "init_std"),
}

# Stands in for pretraining in a copy of the package: the store's keys, locks and paths stay as they are.
STUB_TRAINING = '''

def _make(world_name, seed, scale_name, folder, progress):
    folder.mkdir(parents=True, exist_ok=True)
    progress(1, 1, 0.0)
    (folder / WEIGHTS).write_text(f"weights of {world_name} {seed}")
'''


@dataclass
class Project:
    """A toy project: its folder, the package it runs with, and what a person would do in it."""

    root: Path
    source: Path
    names: list[str] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.root / ".psm"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PSM_PROJECT": str(self.root), "PSM_HOME": str(self.home), "PYTHONPATH": str(self.source),
                "OMP_NUM_THREADS": "1"}

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def chapter(self, name: str, *cells: str, front: str = "claims: []", parameters: str | None = PARAMETERS) -> Path:
        """Write a chapter and list it in the table of contents; `parameters=None` leaves that cell out."""
        blocks = [] if parameters is None else [f"```{{code-cell}} ipython3\n:tags: [parameters]\n\n{parameters}\n```"]
        blocks += [f"```{{code-cell}} ipython3\n{cell}\n```" for cell in cells]
        lines = "\n  ".join(front.splitlines())
        head = f"---\nkernelspec: {{name: python3, display_name: Python 3, language: python}}\npsm:\n  {lines}\n---\n\n# Chapter {name}\n\n"
        if name not in self.names:
            self.names.append(name)
        self.write_toc()
        return self.write(f"chapters/{name}.md", head + "\n\n".join(blocks) + "\n")

    def write_toc(self) -> None:
        files = [f"chapters/{name}" for name in [*self.names, "ledger"]]
        self.write("_toc.yml", "format: jb-book\nroot: index\nchapters:\n" + "".join(f"- file: {name}\n" for name in files))

    def plan(self, **options):
        return make_plan("smoke", **options)

    def psm(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess:
        """Run the command line in a process of its own."""
        return subprocess.run([sys.executable, "-m", "psm", *arguments], cwd=self.root, env=self.environment, text=True,
                              capture_output=True, timeout=timeout)

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start the command line and do not wait for it."""
        return subprocess.Popen([sys.executable, "-m", "psm", *arguments], cwd=self.root, env=self.environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def records(self, name: str) -> list[Path]:
        return sorted((self.home / "runs" / "smoke" / name).glob("*/record.json"))

    def contents(self, *folders: str) -> dict[str, str]:
        """SHA-256 of every file below these folders."""
        files = [path for folder in folders for path in sorted((self.root / folder).rglob("*")) if path.is_file()]
        return {str(path.relative_to(self.root)): sha256_file(path) for path in files}


@pytest.fixture
def project(tmp_path, monkeypatch) -> Project:
    """A project without chapters; this process sees it too."""
    made = make_project(tmp_path / "book", BOOK / "src")
    monkeypatch.setenv("PSM_PROJECT", str(made.root))
    monkeypatch.setenv("PSM_HOME", str(made.home))
    return made


@pytest.fixture(scope="session")
def package(tmp_path_factory) -> Path:
    """A copy of the package's source, whose pretraining is a stub."""
    source = tmp_path_factory.mktemp("source")
    copy_package(source)
    return source


def make_project(root: Path, source: Path) -> Project:
    project = Project(root, source)
    for name, text in {**PAGES, "claims.yml": "tests: []\n", "CITATION.cff": CITATION}.items():
        project.write(name, text)
    for name in ("_config.yml", "references.bib"):
        shutil.copy(BOOK / name, root / name)
    for name in ("_static", "workflow"):
        shutil.copytree(BOOK / name, root / name)
    project.write_toc()
    return project


def copy_package(source: Path) -> None:
    shutil.copytree(BOOK / "src" / "psm", source / "psm", ignore=shutil.ignore_patterns("__pycache__"))
    store = source / "psm" / "training" / "store.py"
    store.write_text(store.read_text() + STUB_TRAINING)


@pytest.fixture(scope="session")
def new_project():
    """The maker itself, for a project that several tests share."""
    return make_project


@pytest.fixture(scope="session")
def finish() -> str:
    """The last cell of a chapter with claims; replace NAME."""
    return FINISH


@pytest.fixture(scope="session")
def random_model():
    """Saves a small random model as a local folder: its shape, with a chat template or without one, and the spread of its weights."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    words = learnt_tokenizer()

    def save(folder: Path, shape: str, chat: bool = False, spread: float = 0.25, seed: int = 0) -> Path:
        settings, spread_name = SHAPES[shape]
        torch.manual_seed(seed)
        tokens = {"vocab_size": VOCABULARY, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
        config = AutoConfig.for_model(shape, **tokens, **settings, **{spread_name: spread})
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
        words.chat_template = TEMPLATE if chat else None
        words.save_pretrained(folder)
        return folder

    return save


def learnt_tokenizer():
    """A byte-level tokenizer learnt from the words of a few items."""
    from tokenizers import Tokenizer
    from tokenizers.decoders import ByteLevel as ByteLevelDecoder
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel
    from tokenizers.trainers import BpeTrainer
    from transformers import PreTrainedTokenizerFast

    from psm.real.items import load_items

    tokens = Tokenizer(BPE())
    tokens.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokens.decoder = ByteLevelDecoder()
    text = [turn.q + turn.a + turn.b for item in load_items()[:8] for turn in item.turns]
    specials = ["<end>"]
    tokens.train_from_iterator(text, BpeTrainer(vocab_size=VOCABULARY, initial_alphabet=ByteLevel.alphabet(), special_tokens=specials))
    return PreTrainedTokenizerFast(tokenizer_object=tokens, eos_token="<end>", pad_token="<end>", bos_token="<end>")
