"""Executed notebooks that stand alone: plain text, images, no noise, an install cell, and where they can be opened."""

from __future__ import annotations

import ast
import base64
import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import jupytext
import nbformat
import pytest

from psm.book import install_cell, kept_notebooks, launch, plain_markdown, repository
from psm.book.pages import Edition
from psm.book.stage import read_record, stage
from psm.errors import RunError, UsageError
from psm.files import write_json, write_whole

BOOK = Path(__file__).resolve().parents[2]
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
COMMIT = "d" * 40


def git(root, *arguments):
    subprocess.run(["git", "-C", str(root), "-c", "user.name=toy", "-c", "user.email=toy@example.org", *arguments], check=True, capture_output=True)


def edition_of(toy):
    documents = {job.chapter.name: job.chapter.path.relative_to(toy.root).with_suffix("").as_posix() for job in toy.plan.chapters}
    return Edition(toy.plan, toy.rows, tuple(read_record(job) for job in toy.plan.chapters), documents, "chapters/ledger")


def kept(toy, name="beta"):
    notebook = kept_notebooks.kept_notebook(toy.plan.chapter(name), edition_of(toy), COMMIT)
    nbformat.validate(notebook)
    return notebook


def change(toy, what, name="beta"):
    """Edit the executed notebook of a chapter."""
    path = toy.plan.chapter(name).folder / "executed.ipynb"
    notebook = nbformat.read(path, as_version=4)
    what(notebook)
    write_whole(path, nbformat.writes(notebook))


def test_it_opens_with_install_cell_title_and_verdict_in_plain_words(toy):
    install, title, opening = kept(toy).cells[:3]
    assert install.cell_type == "code" and "find_spec" in install.source and install.metadata["tags"] == ["install"]
    assert title.source == "# A made-up claim with *emphasis*"
    assert "**supported**: T1 in the persona world “main” (T1.made-up). Estimate 1.25 log-odds (95 % interval 0.90 to 1.60, 5 seeds)" in opening.source
    assert "<" not in opening.source and "laptop scale on 2 March 2026, commit cccccccccc; version 9.8.7" in opening.source


def test_a_chapter_without_claims_says_so_and_keeps_its_text(toy):
    cells = kept(toy, "alpha").cells
    assert "this chapter tests no claim" in cells[2].source and cells[3].source.startswith("Words under the title")


def test_a_verdict_that_is_no_success_gives_its_reason(toy, row):
    toy.rows = [row(verdict="absent")]
    assert "**absent**" in kept(toy).cells[2].source and "A made-up reason." in kept(toy).cells[2].source


def test_noise_of_the_run_is_left_out(toy):
    def noisy(notebook):
        outputs = notebook.cells[-1].outputs
        outputs.insert(0, nbformat.v4.new_output("stream", name="stderr", text="progress 3 of 9"))
        outputs.insert(1, nbformat.v4.new_output("stream", name="stdout", text=f"kept in {toy.root}/somewhere\n"))
        outputs.insert(2, nbformat.v4.new_output("display_data", data={"application/papermill.record/text/plain": "'1.00'"}))
        notebook.cells[-1].metadata["papermill"] = {"duration": 1.5}
        notebook.cells[-1].metadata["execution"] = {"iopub.status.busy": "now"}

    change(toy, noisy)
    text = nbformat.writes(kept(toy))
    assert not [word for word in ("papermill", "progress 3", "iopub", "secret", str(toy.root)) if word in text]
    assert "kept in ./somewhere" in text


def test_a_figure_is_an_image_with_alt_text_where_one_was_drawn(toy):
    folder = toy.plan.chapter("beta").folder / "figures"
    (folder / "toy.png").write_bytes(PIXEL)
    write_json(folder / "toy.json", {"alt": "Two bars: 0.2 and 0.8", "caption": "Made up."})
    image, caption = kept(toy).cells[-1].outputs
    assert base64.b64decode(image.data["image/png"]) == PIXEL and image.metadata["image/png"]["alt"] == "Two bars: 0.2 and 0.8"
    assert "text/html" not in image.data and image.data["text/plain"] == "Two bars: 0.2 and 0.8"
    assert caption.data["text/markdown"] == "*Made up.* Data: `evidence/laptop/beta/figures/toy.csv`"


def test_without_an_image_the_drawing_for_light_pages_stays(toy):
    (output,) = kept(toy).cells[-1].outputs
    assert "image/png" not in output.data and output.data["text/html"].count("<img") == 1 and "psm-light" in output.data["text/html"]


def test_what_the_page_folds_is_folded(toy):
    change(toy, lambda notebook: notebook.cells[-1].metadata.update(tags=["hide-input"]))
    assert kept(toy).cells[-1].metadata["jupyter"] == {"source_hidden": True}


def test_it_is_the_same_each_time_and_has_ids_of_its_own(toy):
    assert nbformat.writes(kept(toy)) == nbformat.writes(kept(toy))
    ids = [cell["id"] for cell in kept(toy).cells]
    assert len(ids) == len(set(ids))


def test_one_too_large_is_refused(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(kept_notebooks, "LIMIT", 2000)
    with pytest.raises(RunError, match="the notebook of (alpha|beta) is 0.0 MB, above 0 MB"):
        kept_notebooks.write_notebooks(edition_of(toy), tmp_path, COMMIT)


def plain(text):
    works = plain_markdown.citer(BOOK / "references.bib")
    return plain_markdown.plain(text, lambda key: f"<{key}>", lambda name, argument: f"[{name} {argument}]", works)


@pytest.mark.parametrize("text, words", [
    ("It is {glue:text}`big` now", "It is <big> now"),
    ("see {cite:p}`marks2026psm`", "see ([Marks et al., 2026](https://alignment.anthropic.com/2026/psm/))"),
    ("as {cite:t}`allenzhu2023physics` say", "as [Allen-Zhu and Li (2023)](https://arxiv.org/abs/2309.14316) say"),
    ("{doc}`the world <chapters/world/world>` and {term}`seed`", "the world and seed"),
    ("a <!-- psm:value beta.x --> b <!-- psm:verdict T1.x -->", "a [value beta.x] b [verdict T1.x]"),
    ("```{admonition} In *short*\n:class: tip\nOne.\n\nTwo.\n```\nAfter", "> **In *short***\n>\n> One.\n>\n> Two.\nAfter"),
    (":::{note}\nInside {glue:text}`big`\n:::", "> **Note**\n>\n> Inside <big>"),
    ("````{exercise}\n:label: one\nDo.\n```python\n1\n```\n````", "> **Exercise**\n>\n> Do.\n> ```python\n> 1\n> ```"),
    ("```{solution-start} one\n:class: dropdown\n```", "> **one**"),
    ("```{solution-end}\n```", ""),
    ("(a-label)=\n## Title", "## Title"),
    ("```python\nx = {}\n```", "```python\nx = {}\n```"),
])
def test_myst_becomes_plain_markdown(text, words):
    assert plain(text) == words


def test_no_chapter_leaves_myst_behind():
    for page in (BOOK / "chapters").rglob("*.md"):
        text = re.sub(r"\A---\n.*?\n---\n", "", page.read_text(), flags=re.S)
        prose = re.sub(r"^```\{code-cell\}.*?^```$", "", text, flags=re.S | re.M)
        shown = re.sub(r"``.*?``|^```.*?^```", "", plain(prose), flags=re.S | re.M)
        assert not re.search(r"\{[a-z:-]+\}`|^`{3,}\{|^:{3,}\{|psm:", shown, re.M), page


def declared():
    return tomllib.loads((BOOK / "pyproject.toml").read_text())["project"]["dependencies"]


def test_the_install_cell_is_python_and_takes_its_packages_from_pyproject():
    source = install_cell.source(BOOK, "https://github.com/somebody/toy-book", COMMIT)
    ast.parse(source)
    assert '"https://github.com/somebody/toy-book"' in source and COMMIT in source and "constraints.txt" in source
    names = {re.match(r"[\w.-]+", line)[0] for line in declared()}
    assert set(install_cell.packages(BOOK)) == names - set(install_cell.BOOK_ONLY)
    assert set(install_cell.BOOK_ONLY) <= names, "named in BOOK_ONLY, and no dependency any more"


def imports(source):
    """Modules that Python source imports at its top level or inside a function, beyond the standard library."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"psm", "IPython", "myst_nb"}      # IPython is wherever a notebook is; the glue may be absent


def test_what_chapters_import_is_what_the_install_cell_installs():
    science = [path for path in (BOOK / "src" / "psm").rglob("*.py")
               if path.relative_to(BOOK / "src" / "psm").parts[0] not in ("book", "cli.py", "__main__.py")]
    pages = [jupytext.reads(page.read_text(), fmt="md:myst") for page in (BOOK / "chapters").rglob("*.md")]
    cells = [cell.source for page in pages for cell in page.cells if cell.cell_type == "code"]
    sources = [path.read_text() for path in science] + ["\n".join(line for line in cell.splitlines() if not line.startswith(("%", "!"))) for cell in cells]
    known = packages_distributions()
    wanted = {module: known.get(module, [module])[0].lower().replace("_", "-") for source in sources for module in imports(source)}
    installed = {name.lower().replace("_", "-") for name in install_cell.packages(BOOK)}
    assert {module: name for module, name in wanted.items() if name not in installed} == {}


def test_the_install_cell_does_nothing_where_the_package_is(tmp_path):
    for address in ("https://github.invalid/a/b", ""):
        source = install_cell.source(BOOK, address, COMMIT)
        done = subprocess.run([sys.executable, "-c", source], cwd=tmp_path, env={"PYTHONPATH": str(BOOK / "src"), "PATH": ""}, capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "") and not list(tmp_path.iterdir())


def test_without_an_address_it_says_what_to_do(tmp_path):
    source = install_cell.source(BOOK, "", COMMIT).replace('find_spec("psm")', 'find_spec("psm_that_is_not_there")')
    done = subprocess.run([sys.executable, "-c", source], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and "pip install -c constraints.txt -e ." in done.stderr and not list(tmp_path.iterdir())


@pytest.mark.parametrize("address", ['https://github.com/a/b"; import os', "https://github.com/a b"])
def test_an_address_that_would_break_the_cell_is_refused(address):
    with pytest.raises(UsageError, match="holds a quotation mark, a backslash or a space"):
        install_cell.source(BOOK, address, COMMIT)


def test_it_clones_the_repository_and_goes_to_its_commit(tmp_path):
    """Run for real against a repository in a folder, with pip replaced by a note of what it was asked."""
    origin = tmp_path / "origin"
    for name in ("pyproject.toml", "constraints.txt"):
        write_whole(origin / name, (BOOK / name).read_text())
    write_whole(origin / "src" / "psm_toy.py", "state = 'then'\n")
    git(origin, "init", "-q")
    git(origin, "add", ".")
    git(origin, "commit", "-qm", "then")
    then = repository.git(origin, "rev-parse", "HEAD")
    write_whole(origin / "src" / "psm_toy.py", "state = 'now'\n")
    git(origin, "commit", "-qam", "now")
    source = install_cell.source(origin, origin.as_uri(), then).replace('find_spec("psm")', 'find_spec("psm_toy")')
    noted = "import json, os, subprocess, sys\nreal = subprocess.run\n" \
            "def run(command, **how):\n    return print(json.dumps(command[4:]), how['cwd'].name) if 'pip' in command else real(command, **how)\n" \
            "subprocess.run = run\n"
    program = noted + source + "\nimport psm_toy\nprint(psm_toy.state)\n"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    first, second, state = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert state == "then" and first.endswith(" psm-book") and '"-c", "constraints.txt", "filelock"' in first
    assert '"--no-deps", "-e", "."' in second


def test_a_package_without_a_pin_is_refused(tmp_path):
    write_whole(tmp_path / "pyproject.toml", '[project]\ndependencies = ["numpy>=2", "nbclient>=1"]\n')
    write_whole(tmp_path / "constraints.txt", "pandas==3.0\n")
    with pytest.raises(UsageError, match="constraints.txt does not pin numpy: the install cell"):
        install_cell.source(tmp_path, "https://github.com/a/b", COMMIT)


@pytest.mark.parametrize("address", ["https://github.com/a/b", "git@github.com:a/b.git", "ssh://git@github.com/a/b.git", "https://token@github.com/a/b.git"])
def test_github_is_known_in_each_form(address):
    assert repository.github_name(address) == "a/b"


@pytest.mark.parametrize("address", ["", "/srv/a/b", "https://gitlab.com/a/b", "https://github.com.evil.example/a/b", "https://github.com/a"])
def test_other_addresses_are_not_on_github(address):
    assert repository.github_name(address) == ""


def test_the_address_is_the_citation_files_then_the_environments_then_origins(toy, monkeypatch):
    assert repository.address(toy.root) == ""
    git(toy.root, "init", "-q")
    git(toy.root, "remote", "add", "origin", "/home/somebody/book")
    assert repository.address(toy.root) == ""
    git(toy.root, "remote", "set-url", "origin", "git@github.com:first/book.git")
    assert repository.address(toy.root) == "https://github.com/first/book"
    monkeypatch.setenv("GITHUB_REPOSITORY", "second/book")
    assert repository.address(toy.root) == "https://github.com/second/book"
    write_whole(toy.root / "CITATION.cff", (toy.root / "CITATION.cff").read_text() + "repository-code: https://github.com/third/book\n")
    assert repository.address(toy.root) == "https://github.com/third/book"


def links(toy):
    return dict(launch.links(toy.plan.chapter("beta").chapter, edition_of(toy)))


@pytest.fixture
def public(toy):
    """The made-up book in a repository with a made-up address, its notebooks committed."""
    write_whole(toy.root / "CITATION.cff", (toy.root / "CITATION.cff").read_text() + "repository-code: https://github.com/somebody/toy-book\n")
    write_whole(toy.root / ".gitignore", ".psm/\n_build/\n")
    git(toy.root, "init", "-q")
    git(toy.root, "add", ".")
    git(toy.root, "commit", "-qm", "toy")
    return toy


def publish(toy):
    kept_notebooks.write_notebooks(edition_of(toy), toy.root / "evidence" / "notebooks", COMMIT)
    git(toy.root, "add", ".")
    git(toy.root, "commit", "-qm", "edition")


def test_without_an_address_there_are_local_links_only(toy):
    assert links(toy) == {"Executed notebook": "../../notebooks/beta.ipynb", "Source": "../../notebooks/beta.md"}


def test_binder_and_colab_wait_until_the_repository_holds_the_notebook(public):
    assert list(links(public)) == ["Executed notebook", "Source"]
    publish(public)
    head = repository.git(public.root, "rev-parse", "HEAD")
    assert links(public)["Colab"] == f"https://colab.research.google.com/github/somebody/toy-book/blob/{head}/evidence/notebooks/beta.ipynb"
    assert links(public)["Binder"] == f"https://mybinder.org/v2/gh/somebody/toy-book/{head}?labpath=evidence%2Fnotebooks%2Fbeta.ipynb"
    git(public.root, "tag", "-a", "v9.8.7", "-m", "frozen")
    assert "/blob/v9.8.7/evidence/" in links(public)["Colab"] and "/toy-book/v9.8.7?" in links(public)["Binder"]


def test_elsewhere_than_github_neither_is_offered(public):
    publish(public)
    write_whole(public.root / "CITATION.cff", (public.root / "CITATION.cff").read_text().replace("github.com", "gitlab.com"))
    assert list(links(public)) == ["Executed notebook", "Source"]


def test_the_pages_offer_what_their_links_name(toy, tmp_path):
    folder = stage(toy.plan, toy.rows, tmp_path / "staged")
    for label, href in links(toy).items():
        assert (folder / "_extra" / href.removeprefix("../../")).is_file(), label
    page = nbformat.read(folder / "chapters" / "b" / "beta.ipynb", as_version=4).cells[1].source
    assert 'href="../../notebooks/beta.ipynb"' in page and "mybinder" not in page
    assert json.loads((folder / "_extra" / "notebooks" / "beta.ipynb").read_text())["nbformat"] == 4
    assert (folder / "_extra" / "notebooks" / "beta.md").read_bytes() == toy.plan.chapter("beta").chapter.path.read_bytes()
