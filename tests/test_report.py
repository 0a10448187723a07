"""`realdb.report` and `realdb report`: the page in Chromium, its figures, and its edges."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import warnings
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import realdb
from browser import SCHEMES, WIDTHS, visit
from needs import late, needs
from realdb import cli
from realdb.api.report import pictures
from realdb.api.report.writing import TITLES
from realdb.errors import DataError, RealdbWarning, UsageError
from realdb.report import cells
from realdb.schema.tables import CLASSES, IMAGES
from realdb.store.store import Store
from refusals import refused

pytestmark = pytest.mark.filterwarnings("ignore::realdb.RealdbWarning")
images_of: Any = late("PIL.Image")
run = CliRunner()
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>window.alerted=1</script>",
    "long" * 75,
    "\U0001f98a שלום \u202etxt.exe",
)


class Page(HTMLParser):
    """A page: the cells of its tables by their names, its sections, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.sections: list[str] = []
        self.text = ""
        self._cell = False
        self._rows: list[list[str]] = []
        self._in = ""
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = dict(attrs)
        self._in = tag
        if own.get("role") == "region":
            self._rows = self.tables.setdefault(str(own["aria-label"]), [])
        elif tag == "section":
            self.sections.append(str(own["id"]))
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("th", "td"):
            self._rows[-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        self._in = ""
        self._cell &= tag not in ("th", "td")

    def handle_data(self, data: str) -> None:
        if self._cell:
            self._rows[-1][-1] += data
        if self._in not in ("script", "style"):
            self.text += data


@pytest.fixture(scope="module", autouse=True)
def _extra() -> None:
    for package in ("jinja2", "altair", "vl_convert", "PIL"):
        needs(package)


@pytest.fixture(scope="module")
def models(synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return the files of two models, and one file of models with hostile names."""
    rng = np.random.default_rng(5)
    numbers = np.arange(1, IMAGES + 1)
    folder = tmp_path_factory.mktemp("models")
    file = folder / "hostile & names.parquet"
    tables = [
        pa.table(
            {
                "model": [name] * len(numbers),
                "image_id": numbers,
                "label": rng.integers(0, CLASSES, IMAGES),
                "confidence": rng.random(IMAGES),
            }
        )
        for name in HOSTILE
    ]
    import pyarrow.parquet as pq

    pq.write_table(pa.concat_tables(tables), file)
    own = [synthetic / "predictions" / f"model_{letter}.csv" for letter in "ab"]
    return [*own, file]


@pytest.fixture(scope="module")
def hardest(synthetic_store: Store, models: list[Path]) -> list[str]:
    """Return the file names of the hardest images of all models."""
    rows = realdb.query(
        "select file_name from hard_images order by wrong_share desc, models desc, "
        "wrong_label_models desc, image_id limit 12",
        *models,
        store=synthetic_store.root,
    )
    return [name for (name,) in rows.fetchall()]


@pytest.fixture(scope="module")
def folder(hardest: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of pictures: some missing, in folders of classes, broken or too large."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "n01440764").mkdir()
    flat, nested, text, cut, large = hardest[:5]
    noise = np.random.default_rng(3).integers(0, 256, (300, 400, 3), np.uint8)
    picture = images_of.fromarray(noise)
    picture.save(folder / flat)
    picture.convert("CMYK").save(folder / "n01440764" / nested)
    (folder / text).write_text("no picture")
    (folder / cut).write_bytes((folder / flat).read_bytes()[:2000])
    images_of.new("1", (10_000, 6_000)).save(folder / large, "PNG")
    return folder


@pytest.fixture(scope="module")
def made(
    synthetic_store: Store,
    models: list[Path],
    folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Return the page of all models, with pictures."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RealdbWarning)
        done = realdb.report(*models, output=path, images=folder, store=synthetic_store.root)
    assert (done.output, done.models, done.sections) == (path, 2 + len(HOSTILE), tuple(TITLES))
    assert done.charts >= 3
    assert done.bytes == path.stat().st_size < 2_000_000
    return path


@pytest.fixture(scope="module")
def small(
    synthetic_store: Store, models: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Page:
    """Return the page of two models, without charts."""
    path = tmp_path_factory.mktemp("small") / "report.html"
    sections = [name for name in TITLES if name != "charts"]
    realdb.report(*models[:2], output=path, sections=sections, store=synthetic_store.root)
    return Page(path)


# In Chromium.


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_page_in_chromium(chromium: Any, made: Path, scheme: str) -> None:
    with visit(chromium, made.as_uri(), scheme=scheme, width=WIDTHS[0]) as found:
        page = found.page
        page.wait_for_selector("html[data-drawn]", state="attached", timeout=60_000)
        assert found.violations() == []
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            assert found.overflow() <= 0
        figures = page.locator("figure")
        assert figures.count() >= 3
        for at in range(figures.count()):
            figure = figures.nth(at)
            marks = figure.locator(f".{scheme} svg .mark-group, .{scheme} svg [class*=mark-]")
            assert marks.count() > 0
            assert figure.locator(f".{scheme} svg").is_visible()
            assert figure.locator("[role=img]").get_attribute("aria-label")
            assert figure.locator("details tbody tr").count() > 0
        # The drawing for the other scheme is not shown.
        other = "dark" if scheme == "light" else "light"
        assert not [each for each in page.locator(f".{other} svg").all() if each.is_visible()]
        assert page.evaluate("window.alerted") is None
        assert (found.problems, found.requests) == ([], [made.as_uri()])
        page.emulate_media(media="print", color_scheme=scheme)
        assert page.locator(".light svg").first.is_visible()


def test_names_are_shown_as_text(chromium: Any, made: Path) -> None:
    with visit(chromium, made.as_uri(), java_script_enabled=False) as found:
        first = found.page.locator("#models tbody th bdi")
        names = [first.nth(at).inner_text() for at in range(first.count())]
        # A mark that turns the direction is visible.
        assert {*names} == {
            *("model_a", "model_b"),
            *(name.replace("\u202e", "\\u202e") for name in HOSTILE),
        }
        assert found.page.locator("img").count() == 2
        assert (found.problems, found.requests) == ([], [made.as_uri()])


def test_the_page_without_scripts(chromium: Any, made: Path) -> None:
    with visit(chromium, made.as_uri(), java_script_enabled=False) as found:
        details = found.page.locator("figure details").first
        assert not details.locator("table").is_visible()
        details.locator("summary").click()
        assert details.locator("table").is_visible()
        found.page.emulate_media(media="print")
        assert found.page.locator("figure details table").last.is_visible()


# The figures.


def test_the_accuracies_are_those_of_the_library(
    small: Page, synthetic_store: Store, models: list[Path]
) -> None:
    header, *rows = small.tables["Accuracy of the models, the best first"]
    found = {row[0]: dict(zip(header, row, strict=True)) for row in rows}
    for path in models[:2]:
        expected = realdb.accuracy(path, store=synthetic_store.root)
        row = found[expected.model]
        assert row["ReaL accuracy, %"] == cells.percent(expected.real_accuracy)
        assert row["95 % interval"] == cells.interval(
            expected.real_accuracy_low, expected.real_accuracy_high
        )
        assert row["Right"] == f"{expected.correct_images:,}"
        assert row["Scored images"] == f"{expected.scored_images:,}"
        assert row["Original accuracy, %"] == cells.percent(expected.original_accuracy)
        assert expected.unasked_images is not None
        share = expected.unasked_images / expected.scored_images
        assert row["Not judged, %"] == cells.percent(share)
    assert [row[0] for row in rows] == ["model_a", "model_b"]
    assert [found[name]["Rank interval"] for name in ("model_a", "model_b")] == ["1", "2"]


def test_the_pair_is_that_of_the_library(
    small: Page, synthetic_store: Store, models: list[Path]
) -> None:
    compared = realdb.compare(*models[:2], store=synthetic_store.root)
    pair = dict(zip(compared.pairs.columns, compared.pairs.fetchall()[0], strict=True))
    for table, prefix in (
        ("Pairs of models, by ReaL labels", ""),
        ("The same pairs, by the original labels", "original_"),
    ):
        header, row = small.tables[table]
        found = dict(zip(header, row, strict=True))
        assert found["Images"] == f"{pair[f'{prefix}images']:,}"
        assert found["Only A right"] == f"{pair[f'{prefix}only_a_right']:,}"
        assert found["A - B, points"] == cells.points(pair[f"{prefix}difference"])
        assert found["Mid-p"] == cells.p_value(pair[f"{prefix}log10_mid_p"])
        assert found["Holm's p"] == cells.p_value(pair[f"{prefix}log10_holm_p"])
        assert float(found["Mid-p"]) > 0 or pair[f"{prefix}log10_mid_p"] < -300
    by = realdb.compare(*models[:2], by="animal", store=synthetic_store.root).groups_of_images
    assert by is not None
    expected = {row[0]: row for row in by.fetchall()}
    for group, _, _, number, *_ in small.tables["Animals and objects"][1:]:
        assert number == f"{expected[group][by.columns.index('images')]:,}"


def test_the_mistakes_are_those_of_the_view(
    small: Page, synthetic_store: Store, models: list[Path]
) -> None:
    counts = dict(
        realdb.query(
            "select category, count(*) from mistakes where model = 'model_a' group by category",
            *models[:2],
            store=synthetic_store.root,
        ).fetchall()
    )
    _, row, _ = small.tables["Wrong first choices by category, with their share of the mistakes"]
    assert row[:2] == ["model_a", f"{sum(counts.values()):,}"]
    names = ("never asked", "original label", "rejected", "other")
    assert [cell.split(" (")[0] for cell in row[2:]] == [f"{counts.get(n, 0):,}" for n in names]


def test_the_hardest_images_have_votes_and_answers(
    small: Page, synthetic_store: Store, models: list[Path]
) -> None:
    tables = {name: rows for name, rows in small.tables.items() if "answers for image" in name}
    assert len(tables) == 12
    for name, (header, *rows) in [*tables.items()][:2]:
        explained = realdb.explain(int(name.split()[-1]), *models[:2], store=synthetic_store.root)
        found = {int(row[0].rstrip(")").split("(")[-1]): row for row in rows}
        of = dict(zip(header, range(len(header)), strict=True))
        assert {label for label, row in found.items() if row[of["ReaL label"]] == "yes"} == {
            *explained.labels
        }
        for question in explained.questions:
            row = found[question.label]
            for column in ("Yes", "Maybe", "No"):
                votes = [vote for vote in question.votes if vote.answer == column.lower()]
                assert row[of[column]] == str(len(votes))
        for choice in explained.models:
            assert choice.model in found[choice.label][1]
            assert not choice.is_real_correct


def test_the_checksums_and_the_command(small: Page, models: list[Path], tmp_path: Path) -> None:
    import hashlib

    rows = {row[0]: row for row in small.tables["Predictions"][1:]}
    for path in models[:2]:
        assert rows[path.stem][1:] == [
            str(path),
            hashlib.sha256(path.read_bytes()).hexdigest(),
        ]
    assert "real.json" in [row[0] for row in small.tables["Source files of the labels"]]
    versions = dict(small.tables["Versions"][1:])
    assert versions["realdb"] == realdb.__version__
    command = next(line for line in small.text.splitlines() if line.startswith("realdb report"))
    words = shlex.split(command)
    assert words[2:4] == [*map(str, models[:2])]
    assert words[-2:] == ["-o", "report.html"]
    out = tmp_path / "again.html"
    done = run.invoke(cli.app, [*words[1:-2], "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert Page(out).tables == small.tables


def test_the_home_folder_is_not_shown(
    synthetic_store: Store, models: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(models[0].parent))
    out = tmp_path / "report.html"
    realdb.report(models[0], output=out, sections="origins", store=synthetic_store.root)
    page = Page(out)
    assert page.tables["Predictions"][1][1] == "~/model_a.csv"
    assert "realdb report ~/model_a.csv" in page.text
    assert str(models[0].parent) not in page.text


def test_the_page_is_byte_stable(
    made: Path, synthetic_store: Store, models: list[Path], folder: Path, tmp_path: Path
) -> None:
    """Another process writes the same bytes, also under another name."""
    out = tmp_path / "other.html"
    words = ["report", *map(str, models), "--images", str(folder), "-o", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "realdb", *words, "--store", str(synthetic_store.root)],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == made.read_bytes()


def test_the_date(synthetic_store: Store, models: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    options: dict[str, Any] = {"output": out, "sections": "judged", "store": synthetic_store.root}
    realdb.report(models[0], **options)
    ((built,),) = realdb.query(
        "select cast(built_at as date) from build", store=synthetic_store.root
    ).fetchall()
    assert str(built) in Page(out).text
    realdb.report(models[0], date="2026-01-31", force=True, **options)
    assert "2026-01-31" in Page(out).text
    for wrong in ("2026-1-31", "31.01.2026", "2026-02-30", ""):
        with refused(UsageError, parameter="date", value=wrong):
            realdb.report(models[0], date=wrong, force=True, **options)


# Sections, formats, rules.


@pytest.mark.parametrize("sections", ["pairs,models", ["models", "pairs"]])
def test_sections(
    sections: Any, synthetic_store: Store, models: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "report.html"
    done = realdb.report(*models[:2], output=out, sections=sections, store=synthetic_store.root)
    assert Page(out).sections == [*done.sections] == ["judged", "models", "pairs"]
    assert done.charts == 0


@pytest.mark.parametrize(("sections", "value"), [("models,chart", "chart"), ([], None)])
def test_unknown_sections_are_refused(sections: Any, value: str | None, tmp_path: Path) -> None:
    with refused(UsageError, *TITLES, parameter="sections", value=value):
        realdb.report("x.csv", output=tmp_path / "x.html", sections=sections)


def test_markdown(synthetic_store: Store, models: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "report"
    words = ["report", str(models[0]), "-o", str(out)]
    words += ["--format", "markdown", "--store", str(synthetic_store.root)]
    done = run.invoke(cli.app, words)
    assert done.exit_code == 0, done.output
    text = (out / "report.md").read_text(encoding="utf-8")
    linked = re.findall(r"^!\[.*\]\((images/[^)]+)\)$", text, re.MULTILINE)
    assert {*linked} == {f"images/{path.name}" for path in (out / "images").iterdir()}
    assert {Path(each).suffix for each in linked} == {".svg"}
    assert all((out / each).read_text().startswith("<svg") for each in linked if "svg" in each)
    assert "<img" not in text
    assert [f"## {title}" in text for title in TITLES.values()] == [True] * len(TITLES)
    again = run.invoke(cli.app, words)
    assert again.exit_code == 1
    less = run.invoke(cli.app, [*words, "--force", "--sections", "models"])
    assert less.exit_code == 0, less.output
    assert [*(out / "images").iterdir()] == []


@pytest.mark.parametrize(
    "rule",
    [
        {"labels": "original"},
        {"threshold": 0.5},
        {"labels": "any:real,original"},
    ],
    ids=str,
)
def test_other_rules(
    rule: dict[str, Any], synthetic_store: Store, models: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "report.html"
    options = {"store": synthetic_store.root, **rule}
    sections = ["models", "origins", *(["charts"] if "threshold" not in rule else [])]
    realdb.report(*models[:2], output=out, sections=sections, **options)
    page = Page(out)
    header, *rows = page.tables["Accuracy of the models, the best first"]
    expected = realdb.accuracy_table(*models[:2], **options)
    column = "real_accuracy" if "real_accuracy" in expected.columns else "accuracy"
    shares = dict(expected.project(f"model, {column}").fetchall())
    at = header.index("Accuracy, %")  # not ReaL accuracy
    assert {row[0]: row[at] for row in rows} == {
        model: cells.percent(share) for model, share in shares.items()
    }
    command = next(line for line in page.text.splitlines() if line.startswith("realdb report"))
    ((option, value),) = rule.items()
    assert f"--{option} {value}" in command
    data = [rows[0] for name, rows in page.tables.items() if name.startswith("Data of the chart")]
    if "labels" in rule:
        assert len(data) > 5
        assert not [name for names in data for name in names if name.startswith("real_")]


def test_stored_models(synthetic_store: Store, models: list[Path], tmp_path: Path) -> None:
    import shutil

    root = shutil.copytree(synthetic_store.root, tmp_path / "store")
    realdb.add(*models[:2], store=root)
    sums = dict(realdb.models(store=root).project("model, sha256").fetchall())
    sections = ["models", "origins"]
    realdb.report(output=tmp_path / "all.html", sections=sections, store=root)
    realdb.report("model_a", output=tmp_path / "one.html", sections=sections, store=root)
    rows = Page(tmp_path / "all.html").tables["Predictions"][1:]
    assert {row[0]: row[2] for row in rows} == sums
    one = Page(tmp_path / "one.html").tables["Predictions"][1:]
    assert one == [row for row in rows if row[0] == "model_a"]


def test_predictions_in_memory(synthetic_store: Store, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    labels = np.random.default_rng(2).integers(0, CLASSES, IMAGES)
    realdb.report(labels, model="mine", output=out, store=synthetic_store.root)
    page = Page(out)
    assert page.tables["Predictions"][1][:2] == ["mine", "ndarray in memory"]
    assert "realdb.report(<ndarray>, output=" in page.text
    assert "There is one model" in page.text


def test_a_store_without_votes(bare_store: Store, tmp_path: Path) -> None:
    """The page says what is left out, and why."""
    out = tmp_path / "report.html"
    names = tmp_path / "predictions.csv"
    numbers = np.arange(1, IMAGES + 1)
    labels = np.random.default_rng(4).integers(0, CLASSES, (2, IMAGES))
    rows = [
        f"{model},{image},{label}"
        for model, of in zip("ab", labels, strict=True)
        for image, label in zip(numbers, of, strict=True)
    ]
    names.write_text("model,image_id,label\n" + "\n".join(rows))
    realdb.report(names, output=out, store=bare_store.root)
    page = Page(out)
    assert page.sections == [*TITLES]
    assert "questions" in page.text
    assert "Not judged, %" not in page.tables["Accuracy of the models, the best first"][0]


def test_many_models_are_cut(synthetic_store: Store, tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    labels = rng.integers(0, CLASSES, IMAGES)
    numbers = np.arange(1, IMAGES + 1)
    tables = [
        pa.table(
            {
                "model": [f"m{at:02}"] * 2000,
                "image_id": numbers[:2000],
                "label": np.where(rng.random(2000) < at / 20, labels[:2000], 0),
            }
        )
        for at in range(12)
    ]
    out = tmp_path / "report.html"
    sections = ["models", "pairs", "differences"]
    realdb.report(
        pa.concat_tables(tables), output=out, sections=sections, store=synthetic_store.root
    )
    page = Page(out)
    assert len(page.tables["Accuracy of the models, the best first"]) == 13
    assert len(page.tables["Pairs of models, by ReaL labels"]) == 1 + 45
    assert "45 of 66 pairs" in page.text
    pairs = {tuple(row[1:3]) for row in page.tables["Animals and objects"][1:]}
    assert len(pairs) == 6


def test_warnings_are_on_the_page(synthetic_store: Store, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    part = pa.table({"image_id": [*range(1, 101)], "label": [1] * 100})
    with pytest.warns(RealdbWarning, match="100 of the 50,000"):
        realdb.report(part, output=out, sections="judged", store=synthetic_store.root)
    assert "covers only 100 of the 50,000 images" in Page(out).text


# Pictures.


def test_pictures_are_small_copies(made: Path, hardest: list[str]) -> None:
    import base64
    import io

    html = made.read_text(encoding="utf-8")
    found = re.findall(
        r'<img src="data:image/jpeg;base64,([^"]+)" width="(\d+)" height="(\d+)"', html
    )
    assert len(found) == 2
    for data, width, height in found:
        picture = images_of.open(io.BytesIO(base64.b64decode(data)))
        assert picture.size == (int(width), int(height)) == (pictures.SIDE, 180)
        assert picture.format == "JPEG"
    text = Page(made).text
    for name in hardest[2:5]:
        assert f"{name} is left out" in text
    assert "7 pictures of 12" in text


def test_a_picture_with_too_many_pixels_is_not_decoded(tmp_path: Path) -> None:
    """A decompression bomb: a small file whose header claims 4 gigapixels."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        sums = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + sums

    header = struct.pack(">IIBBBBB", 65_000, 65_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    (tmp_path / "ILSVRC2012_val_00000001.JPEG").write_bytes(bomb)
    with pytest.warns(RealdbWarning, match="50,000,000"):
        found = pictures.Pictures(tmp_path, {1: "ILSVRC2012_val_00000001.JPEG"})
    assert found.of(1) is None
    assert len(found.notes) == 1


def test_a_missing_folder_of_pictures_is_refused(tmp_path: Path) -> None:
    with refused(DataError, parameter="images", file=tmp_path / "none"):
        realdb.report("x.csv", output=tmp_path / "x.html", images=tmp_path / "none")


# The file, the command, the imports.


def test_the_file_is_replaced_only_with_force(
    synthetic_store: Store, models: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "report.html"
    out.write_text("mine")
    options: dict[str, Any] = {"output": out, "sections": "judged", "store": synthetic_store.root}
    with refused(DataError, file=out, parameter="force"):
        realdb.report(models[0], **options)
    with pytest.raises(DataError):
        realdb.report(tmp_path / "none.csv", force=True, **options)
    assert out.read_text() == "mine"
    assert [*tmp_path.iterdir()] == [out]
    realdb.report(models[0], force=True, **options)
    assert Page(out).sections == ["judged"]


@pytest.mark.parametrize(
    ("name", "form"), [("report.pdf", "html"), ("report", "html"), ("report.md", "markdown")]
)
def test_other_suffixes_are_refused(name: str, form: str, tmp_path: Path) -> None:
    out = tmp_path / name
    with refused(UsageError, parameter="output", value=out.suffix, file=out):
        realdb.report("x.csv", output=out, format=form)


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with refused(DataError, str(tmp_path / "none"), parameter="output"):
        realdb.report("x.csv", output=tmp_path / "none" / "report.html")


def test_the_command(synthetic_store: Store, models: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    words = ["report", *map(str, models[:2]), "--store", str(synthetic_store.root)]
    without = run.invoke(cli.app, words)
    assert isinstance(without.exception, UsageError)
    assert without.exception.parameter == "output"
    done = run.invoke(cli.app, [*words, "-o", str(out), "--sections", "models"])
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    assert str(out) in done.stderr
    assert "2 models" in done.stderr


def test_no_model(synthetic_store: Store, tmp_path: Path) -> None:
    with refused(DataError, "realdb add FILE", count=0):
        realdb.report(output=tmp_path / "report.html", store=synthetic_store.root)


def test_other_errors_are_those_of_the_library(
    synthetic_store: Store, models: list[Path], tmp_path: Path
) -> None:
    options: dict[str, Any] = {"output": tmp_path / "report.html", "store": synthetic_store.root}
    with refused(DataError, parameter="labels", value="none"):
        realdb.report(models[0], labels="none", **options)
    with refused(UsageError, parameter="format", value="pdf"):
        realdb.report(models[0], format="pdf", **options)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("words", [["--help"], ["accuracy", "FILE"], ["report", "--help"]])
def test_other_commands_import_nothing_of_it(
    words: list[str], synthetic_store: Store, models: list[Path]
) -> None:
    words = [str(models[0]) if word == "FILE" else word for word in words]
    if words[0] == "accuracy":
        words += ["--store", str(synthetic_store.root)]
    code = f"""
import os, sys
sys.argv = ["realdb", *{words!r}]
real = os._exit
def leave(status):
    print(*sys.modules, file=sys.stderr)
    sys.stderr.flush()
    real(status)
os._exit = leave
from realdb.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    imported = set(done.stderr.split())
    assert "realdb.cli" in imported
    assert not imported & {"jinja2", "altair", "vl_convert", "PIL", "realdb.report.page"}
