"""Models of a hub, through the hub's own client, from a small server that answers as a hub does."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urlparse

import pytest

from psm.cli import main
from psm.errors import UsageError
from psm.files import read_json
from psm.real import hub, sources
from psm.real.loading import load_model

SRC = Path(sources.__file__).parents[2]
FIRST, SECOND = "1" * 40, "2" * 40
KNOWN = "someone/tiny"
SHELF = Path("home/models/hub")


class FakeHub:
    """What a hub holds: files by commit of one repository, and what it is told to do wrong."""

    def __init__(self):
        self.commits: dict[str, dict[str, bytes]] = {}
        self.names = {"main": FIRST}
        self.asked: list[str] = []
        self.gated = False
        self.spoilt = ""  # file that arrives with one byte changed

    def add(self, commit: str, folder: Path) -> None:
        self.commits[commit] = {path.name: path.read_bytes() for path in folder.iterdir()} | {"README.md": b"hello"}

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for a request."""
        self.asked.append(path)
        if self.gated:
            return 403, {"X-Error-Code": "GatedRepo"}, b"{}"
        if KNOWN not in path:
            return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"
        kind, _, rest = path.partition(KNOWN)
        parts = [part for part in rest.split("/") if part]
        commit = self.names.get(parts[1], parts[1]) if len(parts) > 1 else self.names["main"]
        files = self.commits.get(commit)
        if files is None:
            return 404, {"X-Error-Code": "RevisionNotFound"}, b"{}"
        if parts[:1] == ["resolve"]:
            return self._file(files, commit, parts[2])
        if parts[:1] == ["tree"]:
            return _json([{"type": "file", "path": name} | _facts(name, content) for name, content in files.items()])
        siblings = [{"rfilename": name} | _facts(name, content) | {"blobId": _blob(content)} for name, content in files.items()]
        return _json({"id": KNOWN, "sha": commit, "siblings": siblings, "tags": ["license:mit"]})

    def _file(self, files: dict[str, bytes], commit: str, name: str) -> tuple[int, dict[str, str], bytes]:
        content = files[name]
        headers = {"ETag": f'"{_blob(content)}"', "X-Repo-Commit": commit}
        return 200, headers, (b"\0" + content[1:] if name == self.spoilt else content)


def _blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _facts(name: str, content: bytes) -> dict:
    facts = {"size": len(content), "oid": _blob(content)}
    if name.endswith(".safetensors"):
        digest = hashlib.sha256(content).hexdigest()
        facts["lfs"] = {"oid": digest, "sha256": digest, "size": len(content), "pointerSize": 130}
    return facts


def _json(content: object) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(content).encode()


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory, make_model, tokenizer):
    """A tiny model as save_pretrained writes it."""
    folder = tmp_path_factory.mktemp("upload") / "tiny"
    make_model("llama").save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def fake_hub(tmp_path, monkeypatch, model_folder):
    """The server, as the hub that the client is sent to, and an empty workspace."""
    fake = FakeHub()
    fake.add(FIRST, model_folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, headers, body = fake.answer(unquote(urlparse(self.path).path))
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()   # asks every 20 ms whether it is to stop
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("PSM_HOME", str(tmp_path / "home"))
    fake.stop = lambda: (server.shutdown(), server.server_close())
    yield fake
    fake.stop()


def kept(tmp_path: Path) -> list[str]:
    """Everything in the hub's part of the workspace but locks."""
    return sorted(str(path.relative_to(tmp_path / SHELF)) for path in (tmp_path / SHELF).rglob("*") if path.name != ".lock")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("owner/name", ("owner/name", None)), ("owner/name@abc123", ("owner/name", "abc123")),
        ("o/n-1.5_b@refs/pr/1", ("o/n-1.5_b", "refs/pr/1")),
        ("name", None), ("a/b/c", None), ("../x", None), ("a/..", None), ("a b/c", None), ("", None), ("owner/name@", None),
    ],
)
def test_hub_ids_are_told_from_other_texts(spec, expected):
    found = hub.parse(spec)
    assert (None if found is None else (found.repository, found.revision)) == expected


def test_a_pinned_model_is_fetched_checked_and_loaded(fake_hub, tmp_path, capsys, make_model):
    assert main(["models", "fetch", f"{KNOWN}@{FIRST}"]) == 0
    folder = tmp_path / SHELF / "someone--tiny" / FIRST[:12]
    assert str(folder) in capsys.readouterr().out
    record = read_json(folder / "source.json")
    assert set(record["files"]) == {path.name for path in folder.iterdir()} - {"source.json"}
    assert "README.md" not in record["files"] and record["commit"] == FIRST and record["licence"] == "mit"
    assert {path.split("/")[0] for path in kept(tmp_path)} == {"someone--tiny"}  # nothing half made, no cache of the client's

    fake_hub.stop()
    real = load_model(f"{KNOWN}@{FIRST}")  # without any network
    assert (real.name, real.revision, real.kind, real.has_template) == (KNOWN, FIRST[:12], "base", False)
    expected = make_model("llama").state_dict()
    assert all((value == expected[name]).all() for name, value in real.model.state_dict().items())
    shorter = f"{KNOWN}@{FIRST[:12]}"
    assert sources.resolve(shorter).spec == f"{KNOWN}@{FIRST}"
    assert sources.local_digest(shorter) == sources.local_digest(f"{KNOWN}@{FIRST}")
    with pytest.raises(sources.ModelMissing):
        sources.resolve(KNOWN)  # nobody asked what the newest is
    assert main(["models"]) == 0
    assert re.search(rf"{KNOWN}@{FIRST}  .*, mit, \d+ MB, base, ready: models/hub/someone--tiny/{FIRST[:12]}", capsys.readouterr().out)


def test_without_a_revision_the_present_commit_is_asked_for_and_said(fake_hub, model_folder, tmp_path):
    said = []
    sources.fetch(KNOWN, said.append)
    assert any(f"is now at commit {FIRST}; pin it with: {KNOWN}@{FIRST}" in line for line in said)
    before = sources.local_digest(KNOWN)
    fake_hub.add(SECOND, model_folder)
    fake_hub.commits[SECOND]["generation_config.json"] = b"{}"
    fake_hub.names["main"] = SECOND
    folder = sources.fetch(KNOWN)
    assert folder.name == SECOND[:12] and sources.resolve(KNOWN).revision == SECOND[:12]
    assert sources.resolve(f"{KNOWN}@{FIRST}").revision == FIRST[:12]  # the other stays
    assert sources.local_digest(f"{KNOWN}@{FIRST}") == before != sources.local_digest(KNOWN)


def test_a_commit_answers_to_every_name_that_it_was_fetched_by(fake_hub, model_folder):
    fake_hub.names |= {"v1": FIRST, "v2": FIRST}
    for spec in (f"{KNOWN}@{FIRST}", f"{KNOWN}@main", f"{KNOWN}@v1"):
        folder = sources.fetch(spec)
        assert sources.resolve(spec).folder == folder
    weights = folder / "model.safetensors"
    for mend in (lambda: weights.write_bytes(b"torn"), weights.unlink):
        mend()
        sources.fetch(f"{KNOWN}@v2")
        for name in ("", f"@{FIRST}", "@main", "@v1", "@v2"):
            assert sources.resolve(KNOWN + name).folder == folder
    assert len([path for path in fake_hub.asked if path.endswith(f"resolve/{FIRST}/model.safetensors")]) <= 6  # HEAD and GET, thrice

    fake_hub.add(SECOND, model_folder)
    fake_hub.names["main"] = SECOND
    other = sources.fetch(KNOWN)
    sources.fetch(f"{KNOWN}@v1")
    assert sources.resolve(KNOWN).folder == sources.resolve(f"{KNOWN}@main").folder == other != folder  # a name means one commit
    assert sources.resolve(f"{KNOWN}@v1").folder == folder


def test_what_is_here_is_used_without_a_network(fake_hub, capsys):
    sources.fetch(KNOWN)
    fake_hub.stop()
    fake_hub.asked.clear()
    said = []
    sources.fetch(f"{KNOWN}@{FIRST}", said.append)
    assert said[-1].endswith("is already here") and fake_hub.asked == []
    assert main(["models", "fetch", KNOWN]) == 0
    assert f"using commit {FIRST}" in capsys.readouterr().err


def test_no_network_is_one_line(fake_hub, tmp_path, failing):
    fake_hub.stop()
    line = failing("models", "fetch", f"{KNOWN}@{FIRST}")
    assert "could not be fetched from http://127.0.0.1" in line and "check the network" in line
    assert kept(tmp_path) == []


@pytest.mark.parametrize(
    ("spec", "gated", "message"),
    [
        ("someone/missing", False, "the hub has no model 'someone/missing'"),
        (f"{KNOWN}@{'3' * 40}", False, "has no revision '3333"),
        (KNOWN, True, "is gated: accept its terms at http"),
        ("someone/-bad-", False, "is not a hub id"),
    ],
    ids=["unknown", "no such revision", "gated", "not an id"],
)
def test_what_the_hub_does_not_give_is_one_line(fake_hub, tmp_path, failing, spec, gated, message):
    fake_hub.gated = gated
    assert message in failing("models", "fetch", spec)
    assert kept(tmp_path) == []


def _pickle_only(files):
    files["pytorch_model.bin"] = files.pop("model.safetensors")


def _own_code(files):
    files["config.json"] = json.dumps(json.loads(files["config.json"]) | {"auto_map": {"AutoModel": "modeling.Mine"}}).encode()


def _no_tokenizer(files):
    files.pop("tokenizer.json")


def _torn(files):
    files["model.safetensors"] = files["model.safetensors"][:-10]


def _masked(files):
    files["config.json"] = json.dumps(json.loads(files["config.json"]) | {"architectures": ["BertForMaskedLM"]}).encode()


def _adapter(files):
    files["adapter_config.json"] = b"{}"


def _shard_missing(files):
    files.pop("model.safetensors")
    files["model.safetensors.index.json"] = json.dumps({"weight_map": {"a": "model-1.safetensors"}}).encode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_pickle_only, "has its weights only as pytorch_model.bin, which can run code"), (_own_code, "needs Python code of its own"),
        (_no_tokenizer, "holds no tokenizer"), (_torn, "is not a whole safetensors file"), (_masked, "is not a causal language model"),
        (_shard_missing, "lacks model-1.safetensors"), (_adapter, "holds an adapter, which is not read: merge it"),
    ],
)
def test_models_that_the_book_does_not_open_are_refused_in_one_line(fake_hub, tmp_path, failing, change, message):
    change(fake_hub.commits[FIRST])
    assert message in failing("models", "fetch", KNOWN)
    assert kept(tmp_path) == []
    weights = any("safetensors" in path for path in fake_hub.asked)
    assert weights is (change in (_torn, _shard_missing))  # nothing large is downloaded in vain


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_file_that_arrives_changed_is_refused(fake_hub, tmp_path, failing, name):
    fake_hub.spoilt = name
    assert f"{name} of model '{KNOWN}' arrived with another SHA-256" in failing("models", "fetch", KNOWN)
    assert kept(tmp_path) == []


@pytest.mark.parametrize(("change", "message"), [
    (lambda folder, files: (folder / "tokenizer.json").unlink(), "tokenizer.json of model '.*' did not arrive"),
    (lambda folder, files: setattr(files["tokenizer.json"], "blob_id", None), "tokenizer.json of model '.*' cannot be checked"),
    (lambda folder, files: setattr(files["model.safetensors"].lfs, "sha256", ""), "model.safetensors of model '.*' cannot be checked"),
    (lambda folder, files: None, None),
])
def test_nothing_passes_a_check_by_its_absence(tmp_path, model_folder, change, message):
    folder = shutil.copytree(model_folder, tmp_path / "arrived")
    files = {
        path.name: SimpleNamespace(blob_id=_blob(path.read_bytes()), lfs=None if path.suffix == ".json" else
                                   SimpleNamespace(sha256=hashlib.sha256(path.read_bytes()).hexdigest()))
        for path in folder.iterdir()
    }
    change(folder, files)
    if message is None:
        assert set(hub._checked(hub.parse(KNOWN), folder, files)) == set(files)
    else:
        with pytest.raises(UsageError, match=message):
            hub._checked(hub.parse(KNOWN), folder, files)


def test_a_damaged_file_is_refused_and_fetch_mends_it(fake_hub, capsys):
    weights = sources.fetch(f"{KNOWN}@{FIRST}") / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + b"\1")
    with pytest.raises(UsageError, match=f"model.safetensors is damaged.*psm models fetch {KNOWN}@{FIRST}") as caught:
        load_model(f"{KNOWN}@{FIRST}")
    assert "\n" not in str(caught.value)
    assert main(["models"]) == 0 and f"base, damaged: psm models fetch {KNOWN}@{FIRST}" in capsys.readouterr().out
    assert main(["models", "fetch", KNOWN]) == 0
    assert weights.read_bytes() == whole


KILLED = """
import os, signal
from psm.real import hub, sources
def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(hub, {step!r}, die)
sources.fetch({spec!r})
"""


@pytest.mark.parametrize("step", ["_checked", "write_json", "replace_folder"])
def test_a_kill_leaves_nothing_half_made_and_the_next_fetch_works(fake_hub, tmp_path, step):
    code = KILLED.format(step=step, spec=KNOWN)
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(SRC)}, capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with pytest.raises(sources.ModelMissing):
        sources.resolve(KNOWN)
    assert all(name.startswith(".part-") for name in kept(tmp_path))
    sources.fetch(KNOWN)
    assert {name.split("/")[0] for name in kept(tmp_path)} == {"someone--tiny"}


def test_two_fetchers_download_once(fake_hub):
    code = f"from psm.real import sources\nsources.fetch({KNOWN!r})"
    how = {"env": os.environ | {"PYTHONPATH": str(SRC)}, "stderr": subprocess.PIPE}
    both = [subprocess.Popen([sys.executable, "-c", code], **how) for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert len([path for path in fake_hub.asked if path.endswith("resolve/" + FIRST + "/model.safetensors")]) <= 2  # one HEAD, one GET
    assert sources.resolve(KNOWN).revision == FIRST[:12]
