"""A person's own model in a folder: what is opened, under which name, and everything that is refused in one line."""

from __future__ import annotations

import hashlib
import json
import socket

import pytest
import torch

from psm.cli import main
from psm.errors import UsageError
from psm.real import folders, kept, sources
from psm.real.chat import render
from psm.real.loading import load_model, require_template

TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty workspace, with no network."""
    monkeypatch.setenv("PSM_HOME", str(tmp_path / "home"))

    def no_network(*args, **kwargs):
        raise AssertionError("a local model asks no network")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    return tmp_path / "home"


@pytest.fixture
def folder(tmp_path, make_model, tokenizer):
    """Makes a folder with a tiny random model of some architecture, as save_pretrained writes it."""

    def make(kind: str = "llama", template: str | None = None, **saving):
        target = tmp_path / f"my-{kind}"
        make_model(kind).save_pretrained(target, **saving)
        tokenizer.save_pretrained(target)
        if template:
            (target / "chat_template.jinja").write_text(template)
        return target

    return make


@pytest.mark.parametrize("kind", ["gpt2", "qwen2", "opt", "llama", "gpt_neox"])
def test_a_folder_of_any_causal_model_is_opened(folder, make_model, kind):
    place = folder(kind)
    real = load_model(str(place))
    digest = hashlib.sha256((place / "model.safetensors").read_bytes()).hexdigest()
    assert (real.name, real.revision, real.kind) == (f"my-{kind}", digest[:12], "base")
    ids = torch.tensor([[5, 9, 17, 4]])
    with torch.no_grad():
        torch.testing.assert_close(real.model(ids).logits, make_model(kind)(ids).logits, rtol=0, atol=1e-5)
    assert render(real, [("user", "How?")]) == "User: How?\n\nAssistant:"


def test_a_chat_template_makes_a_chat_model(folder, tmp_path):
    real = load_model(str(folder(template=TEMPLATE)))
    assert real.kind == "chat" and real.has_template
    assert render(real, [("user", "How?")]) == "<user>How?<assistant>"
    require_template(sources.resolve(str(tmp_path / "my-llama")), "--chat")


def test_where_a_template_is_needed_a_base_model_is_refused(folder):
    place = folder()
    (place / "chat_template.json").write_text('{"chat_template": "x"}')  # which a text model's tokenizer does not read
    with pytest.raises(UsageError, match="--chat names 'my-llama', which has no chat template: name a chat model") as caught:
        require_template(sources.resolve(str(place)), "--chat")
    assert "\n" not in str(caught.value) and load_model(str(place)).tokenizer.chat_template is None


def chat_with(folder, template):
    return load_model(str(folder(template=template)))


NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system here') }}{% endif %}" + TEMPLATE
DEAF = "{% for m in messages if m.role != 'system' %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
CHATS = ((("system", "Be kind. "), ("user", "How?")), (("system", "Be kind. "), ("user", "How?"), ("assistant", "So."), ("user", "Why?")))


@pytest.mark.parametrize("template", [NO_SYSTEM, DEAF], ids=["refuses a system", "leaves it out"])
def test_what_a_system_says_opens_the_users_turn_where_a_template_knows_none(folder, template):
    real = chat_with(folder, template)
    first, longer = (render(real, chat) for chat in CHATS)
    assert first == "<user>Be kind. \n\nHow?<assistant>"
    assert longer == "<user>Be kind. \n\nHow?<assistant>So.<user>Why?<assistant>"


@pytest.mark.parametrize(("template", "said"), [(NO_SYSTEM, "no system here"), (DEAF, "it leaves out what the system says")])
@pytest.mark.parametrize("chat", [(("system", "Be kind."),), (("system", "Be kind."), ("assistant", "So."), ("user", "Why?"))])
def test_a_conversation_that_a_template_cannot_take_is_one_line(folder, template, said, chat):
    with pytest.raises(UsageError, match=rf"template of model 'my-llama' does not take this conversation \({said}\)") as caught:
        render(chat_with(folder, template), chat)
    assert "\n" not in str(caught.value)


def test_a_template_that_knows_a_system_gets_one_by_itself_too(folder):
    assert render(chat_with(folder, TEMPLATE), CHATS[0]) == "<system>Be kind. <user>How?<assistant>"
    assert render(chat_with(folder, TEMPLATE), CHATS[0][:1]) == "<system>Be kind. <assistant>"


def test_a_template_that_is_given_a_date_tells_the_same_on_every_day(folder):
    dated = "{{ date_string if date_string is defined else strftime_now('%d %b %Y') }}" + TEMPLATE
    assert render(chat_with(folder, dated), CHATS[0][1:]) == "26 Jul 2024<user>How?<assistant>"


def test_sharded_weights_are_opened_and_every_shard_counts(folder, make_model):
    place = folder(max_shard_size="40KB")
    shards = sorted(path.name for path in place.glob("*.safetensors"))
    assert len(shards) > 1 and not (place / "model.safetensors").exists()
    real, digest = load_model(str(place)), sources.local_digest(str(place))
    expected = make_model("llama").state_dict()
    assert all((value == expected[name]).all() for name, value in real.model.state_dict().items())
    _flip_last_byte(place / shards[-1])
    assert sources.resolve(str(place)).revision != real.revision and sources.local_digest(str(place)) != digest
    (place / shards[0]).unlink()
    with pytest.raises(UsageError, match=f"{shards[0]} is missing, though model.safetensors.index.json names it"):
        sources.resolve(str(place))


def _flip_last_byte(path):
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_the_digest_changes_with_weights_template_and_config(folder):
    place = folder()
    seen = {sources.local_digest(str(place))}
    for change in (
        lambda: _flip_last_byte(place / "model.safetensors"),
        lambda: (place / "chat_template.jinja").write_text(TEMPLATE),
        lambda: (place / "config.json").write_text((place / "config.json").read_text() + "\n"),
    ):
        change()
        seen.add(sources.local_digest(str(place)))
    assert len(seen) == 4
    (place / "notes.txt").write_text("mine")
    assert sources.local_digest(str(place)) in seen


def test_a_large_file_is_hashed_once_until_it_changes(folder, home, monkeypatch):
    place, read = folder(), []
    monkeypatch.setattr(kept, "LARGE", 1000)
    monkeypatch.setattr(kept, "sha256_file", lambda path: read.append(path.name) or hashlib.sha256(path.read_bytes()).hexdigest())
    first = sources.resolve(str(place)).revision
    assert sources.resolve(str(place)).revision == first and read == ["model.safetensors"]
    for memory in (home / "models" / "digests").iterdir():
        memory.write_text("{torn")
    _flip_last_byte(place / "model.safetensors")
    assert sources.resolve(str(place)).revision != first and len(read) == 2


def test_a_folder_is_named_from_any_working_folder_and_described(folder, tmp_path, monkeypatch):
    place = folder()
    monkeypatch.chdir(tmp_path)
    found, said = sources.resolve("my-llama"), []
    sources.resolve("./my-llama", said.append)
    assert found.spec == str(place) and sources.resolve(found.spec) == found
    assert said == [f"model my-llama, revision {found.revision} (base): the local folder {place}"]
    assert (found.name, found.title, found.licence) == ("my-llama", "my-llama (llama in a local folder)", "not stated")
    assert main(["models", "fetch", "./my-llama"]) == 0


def test_a_folder_never_goes_by_the_name_of_a_known_model(folder, tmp_path, monkeypatch):
    folder().rename(tmp_path / "smollm2")
    monkeypatch.chdir(tmp_path)
    assert sources.resolve("./smollm2").name == "smollm2-folder"
    with pytest.raises(sources.ModelMissing, match="psm models fetch smollm2"):
        sources.resolve("smollm2")


def _set(name, **fields):
    def change(place):
        path = place / name
        path.write_text(json.dumps((json.loads(path.read_text()) if path.exists() else {}) | fields))
    return change


def _pickle_only(place):
    (place / "model.safetensors").rename(place / "pytorch_model.bin")


def _cut(place):
    (place / "model.safetensors").write_bytes((place / "model.safetensors").read_bytes()[:-4])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_pickle_only, "only as pytorch_model.bin, which can run code when read: save it as safetensors"),
        (_set("config.json", auto_map={"AutoModelForCausalLM": "mine.Model"}), "needs Python code of its own (auto_map)"),
        (_set("tokenizer_config.json", auto_map={"AutoTokenizer": ["mine.Tokens", None]}), "needs Python code of its own"),
        (_set("config.json", architectures=["BertForMaskedLM"]), "is not a causal language model (BertForMaskedLM)"),
        (_set("config.json", architectures=["T5ForConditionalGeneration"], is_encoder_decoder=True), "is not a causal language model"),
        (_set("config.json", transformers_weights="other.safetensors"), "names its weights in config.json (transformers_weights)"),
        (_set("adapter_config.json", peft_type="LORA"), "holds an adapter, which is not read: merge it (merge_and_unload) and save again"),
        (_cut, "is not a whole safetensors file"),
        (lambda place: (place / "model.safetensors").write_bytes(b"\xff" * 400), "is not a whole safetensors file"),
        (lambda place: (place / "model.safetensors").write_bytes(b""), "is not a whole safetensors file"),
        (lambda place: (place / "model.safetensors").unlink(), "holds no model.safetensors"),
        (lambda place: (place / "config.json").unlink(), "holds no config.json"),
        (lambda place: (place / "config.json").write_text("{torn"), "config.json is corrupt"),
        (lambda place: (place / "config.json").write_text("[]"), "config.json is corrupt"),
        (lambda place: (place / "tokenizer.json").unlink(), "holds no tokenizer"),
    ],
)
def test_a_folder_that_is_not_opened_is_one_line_and_exit_code_2(folder, failing, change, message):
    place = folder()
    change(place)
    assert message in failing("models", "fetch", str(place))
    for function in (sources.resolve, sources.local_digest, load_model):
        with pytest.raises(UsageError):
            function(str(place))


def test_a_folder_that_is_not_there_is_one_line(failing, tmp_path):
    assert "does not exist" in failing("models", "fetch", str(tmp_path / "nowhere"))


@pytest.mark.parametrize(("spec", "said"), [
    ("~nobody-of-this-name/x", "cannot be looked up"), ("./" + "x" * 300, "cannot be looked up (File name too long)"),
    ("o/" + "x" * 100, "unknown model"), ("o/" + "x" * 300, "unknown model"),
    ("{folder}/model.safetensors", "is a file: name the folder it lies in"),
])
def test_a_path_that_is_no_folder_is_one_line(folder, failing, spec, said):
    assert said in failing("models", "fetch", spec.format(folder=folder()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("config.json", model_type="unheard_of"), "does not load as a causal language model"),
        (_set("config.json", num_hidden_layers=5), r"lacks \d+ of the weights that its config.json asks for"),
        (_set("config.json", num_hidden_layers=2), "holds weights of more layers .* than the 2 that its config.json names"),
        (_set("config.json", intermediate_size=48), "does not load as a causal language model|lacks"),
    ],
)
def test_weights_that_do_not_fit_the_config_are_one_line(folder, change, message):
    place = folder()
    change(place)
    with pytest.raises(UsageError, match=message) as caught:
        load_model(str(place))
    assert "\n" not in str(caught.value)


def test_no_file_of_a_folder_is_run_as_code(folder, tmp_path):
    """Python files beside the weights stay unread even where no auto_map names them."""
    place = folder()
    (place / "modeling_llama.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    load_model(str(place))
    assert not (tmp_path / "ran").exists() and folders.kind_of(place) == "base"
