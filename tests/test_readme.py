"""README.md and docs/ show what realdb prints: the commands are run on the real files.

Commands are in `console` blocks, or in a comment before their Markdown: <!-- $ realdb info -->, up
to <!-- end -->. REALDB_UPDATE_README=1 writes the output instead of comparing it.
"""

from __future__ import annotations

import doctest
import os
import re
import shlex
import shutil
from pathlib import Path

import label_files
import pytest

import commands
import screenshot
from realdb.store.store import Store

README = Path(__file__).parent.parent / "README.md"
PAGES = {page.name: page for page in (README, *sorted((README.parent / "docs").glob("*.md")))}
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
MARKDOWN = re.compile(r"(?<=<!-- \$ )([^\n]*) -->\n(.*?)(?=<!-- end -->)", re.DOTALL)
PYTHON = re.compile(r"```pycon\n(.*?)```", re.DOTALL)
PICTURE = README.parent / "docs" / "img" / "explain.svg"
PICTURED = "realdb explain 5450 ViT.csv"
# A command goes on to the next line while a quote is open.
COMMAND = re.compile(r'^\$ ((?:[^"\n]|"[^"]*")*)\n', re.MULTILINE)
IS_UPDATE = os.environ.get("REALDB_UPDATE_README") == "1"
# A table of the user's own, to be joined.
NOTES = """image_id,note
26,desk by the window
293,tench or sturgeon?
5450,frog on a branch
"""


def pages_with(*patterns: re.Pattern[str]) -> list[str]:
    """Return the names of the pages in which one of the patterns is found."""
    return [
        name
        for name, page in PAGES.items()
        if any(pattern.search(page.read_text(encoding="utf-8")) for pattern in patterns)
    ]


@pytest.fixture
def folder(
    real_data: Path, real_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Return a folder with the files that the pages use, and have the real store found."""
    for name in ("ViT.csv", "ResNet50.csv"):
        shutil.copy(real_data / "predictions" / name, tmp_path)
    _write_from_one(tmp_path)
    (tmp_path / "notes.csv").write_text(NOTES, encoding="utf-8")
    _write_campaign(tmp_path, real_store)
    shutil.copy(real_data / "assessments" / "vit3b_mistakes.json", tmp_path)
    shutil.copy(real_data / "assessments" / "imagenet_mturk.json", tmp_path)
    label_files.write_multilabel(real_data, tmp_path / label_files.NAME)
    (tmp_path / "kinds.csv").write_text(
        "label,group\n"
        + "".join(f"{label},{'animal' if label < 398 else 'object'}\n" for label in range(1000)),
        encoding="utf-8",
    )
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
    lines = [line.rstrip() for line in run(words[1:]).splitlines()]
    text = "\n".join(line for line in lines if line) + "\n"
    # The last digits of a difference depend on the order in which threads add up.
    text = re.sub(r"\b\d(\.\d+)?e-16\b", "8e-16", text)
    # Where the test found the files is nobody's business.
    return text.replace(str(upstream), "reassessed-imagenet")


def run(words: list[str], **environment: str) -> str:
    """Run realdb and return its standard output, with rows as a table."""
    form = [] if "--format" in words else ["--format", "table"]
    done = commands.run([*words, *form], env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    return done.stdout


def as_run(block: str, upstream: Path) -> str:
    commands = [match[0] for match in COMMAND.finditer(block)]
    return "".join(command + printed(command[2:], upstream) for command in commands)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("page", pages_with(BLOCK, MARKDOWN))
def test_commands_print_what_a_page_shows(page: str, upstream: Path) -> None:
    text = PAGES[page].read_text(encoding="utf-8")
    for block in BLOCK.findall(text):
        text = text.replace(block, as_run(block, upstream))
    text = MARKDOWN.sub(lambda match: f"{match[1]} -->\n\n{printed(match[1], upstream)}\n", text)
    if IS_UPDATE:
        PAGES[page].write_text(text, encoding="utf-8")
    assert PAGES[page].read_text(encoding="utf-8") == text


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("page", pages_with(PYTHON))
def test_python_gives_what_a_page_shows(page: str) -> None:
    blocks = PYTHON.findall(PAGES[page].read_text(encoding="utf-8"))
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, page, None, None)
    assert test.examples
    assert doctest.DocTestRunner().run(test).failed == 0


def test_readme_answers_five_questions() -> None:
    text = README.read_text(encoding="utf-8")
    assert len(re.findall(r"^### \d\. .*\?$", text, re.MULTILINE)) == 5
    assert {README.name, "views.md", "index.md"} <= {*pages_with(BLOCK, MARKDOWN)}


@pytest.mark.usefixtures("folder")
def test_the_picture_shows_what_the_command_prints() -> None:
    words = PICTURED.split()[1:]
    if IS_UPDATE:
        colored = run(words, FORCE_COLOR="1", TERM="xterm-256color")
        PICTURE.write_text(screenshot.draw(PICTURED, colored, width=100), encoding="utf-8")
    shown = screenshot.lines(PICTURE.read_text(encoding="utf-8"))
    expected = map(screenshot.squeeze, [f"$ {PICTURED}", *run(words).splitlines()])
    assert shown == [line for line in expected if line]


def test_the_picture_requests_no_other_host() -> None:
    svg = PICTURE.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"//|@import|@font-face|<script|<image|href", svg)


def test_the_citation_names_this_version() -> None:
    import realdb

    citation = (README.parent / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {realdb.__version__}\n" in citation
