"""What README.md and docs/ show is what realdb prints: the commands are run, on the real files.

REALDB_UPDATE_README=1 writes the output instead of comparing it.
"""

from __future__ import annotations

import doctest
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from realdb.store.store import Store

README = Path(__file__).parent.parent / "README.md"
PAGES = {page.name: page for page in (README, *sorted((README.parent / "docs").glob("*.md")))}
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
# A command goes on to the next line while a quote is open.
COMMAND = re.compile(r'^\$ ((?:[^"\n]|"[^"]*")*)\n', re.MULTILINE)


@pytest.fixture
def folder(
    real_data: Path, real_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Return a folder with the two prediction files, and have the real store found."""
    for name in ("ViT.csv", "ResNet50.csv"):
        shutil.copy(real_data / "predictions" / name, tmp_path)
    _write_from_one(tmp_path)
    _write_campaign(tmp_path, real_store)
    shutil.copy(real_data / "assessments" / "vit3b_mistakes.json", tmp_path)
    # A copy: the README keeps models in it.
    root = shutil.copytree(real_store.root, tmp_path / "store")
    monkeypatch.setenv("REALDB_HOME", str(root))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _write_from_one(folder: Path) -> None:
    """Write ResNet50's predictions as a tool that counts its classes from 1 would."""
    header, *lines = (folder / "ResNet50.csv").read_text(encoding="utf-8").splitlines()
    rows = [line.split(",") for line in lines]
    shifted = [f"{name},{int(label) + 1},{probability}" for name, label, probability in rows]
    (folder / "from_one.csv").write_text("\n".join([header, *shifted, ""]), encoding="utf-8")


def _write_campaign(folder: Path, store: Store) -> None:
    """Write colleagues.csv: votes of three raters on 300 original labels, and of Dana on 40."""
    rows = store.connect(["images", "labels", "classes"]).execute(
        """
        select i.image_id, i.file_name, c.wordnet_id, l.label is not null as is_real
        from images as i
        inner join classes as c on i.original_label = c.label
        left join labels as l on i.image_id = l.image_id and i.original_label = l.label
        where i.image_id <= 300
        order by i.image_id
        """
    )
    lines = ["image,label,rater,answer"]
    for image_id, file_name, wordnet_id, is_real in rows.fetchall():
        # Each is wrong on every nth image; Dana, who judges 40 of them, never is.
        raters = {"Ada": 29, "Ben": 11, "Chloe": 4} | ({"Dana": 1000} if image_id <= 40 else {})
        for rater, nth in raters.items():
            answer = "yes" if is_real != (image_id % nth == 0) else "no"
            lines.append(f"{file_name},{wordnet_id},{rater},{answer}")
    (folder / "colleagues.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")


def printed(command: str, upstream: Path) -> str:
    """Run one command of a page and return what it prints, as on a terminal."""
    words = shlex.split(command)
    if words[0] == "head":
        count, name = int(words[1].removeprefix("-")), words[2]
        return "".join(Path(name).read_text().splitlines(keepends=True)[:count])
    assert words[0] == "realdb", command
    form = [] if "--format" in words else ["--format", "table"]
    done = subprocess.run(
        [sys.executable, "-m", "realdb", *words[1:], *form],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    text = "\n".join(line for line in lines if line) + "\n"
    # The last digits of a difference depend on the order in which threads add up.
    text = re.sub(r"\b\d(\.\d+)?e-16\b", "8e-16", text)
    # Where the test found the files is nobody's business.
    return text.replace(str(upstream), "reassessed-imagenet")


def as_run(block: str, upstream: Path) -> str:
    commands = [match[0] for match in COMMAND.finditer(block)]
    return "".join(command + printed(command[2:], upstream) for command in commands)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "page", [name for name, page in PAGES.items() if BLOCK.search(page.read_text("utf-8"))]
)
def test_commands_print_what_a_page_shows(page: str, upstream: Path) -> None:
    text = PAGES[page].read_text(encoding="utf-8")
    blocks = BLOCK.findall(text)
    assert page != README.name or len(blocks) >= 5
    for block in blocks:
        text = text.replace(block, as_run(block, upstream))
    if os.environ.get("REALDB_UPDATE_README") == "1":
        PAGES[page].write_text(text, encoding="utf-8")
    assert PAGES[page].read_text(encoding="utf-8") == text


@pytest.mark.usefixtures("folder")
def test_python_gives_what_the_readme_shows() -> None:
    blocks = re.findall(r"```pycon\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, "README.md", None, None)
    assert len(test.examples) >= 4
    assert doctest.DocTestRunner().run(test).failed == 0


def test_the_citation_names_this_version() -> None:
    import realdb

    citation = (README.parent / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {realdb.__version__}\n" in citation
