from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from realdb.errors import UsageError
from realdb.ingest import formats, predictions

IMAGES = range(1, 50_001)
LABELS = [image * 7 % 1000 for image in IMAGES]
NAMES = [f"ILSVRC2012_val_{image:08d}.JPEG" for image in IMAGES]


def write_csv(path: Path) -> None:
    """ImageNet-X writes it so: by class, with CSV's own line ends, and more than we ask for."""
    rows = sorted(zip(LABELS, NAMES, strict=True))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "predicted_class", "predicted_probability", "note"])
        writer.writerows([name, label, 0.5, "a, b"] for label, name in rows)


def write_tsv(path: Path) -> None:
    """Write as pandas does, with its unnamed index."""
    pd.DataFrame({"filename": NAMES, "pred": LABELS}).to_csv(path, sep="\t")


def write_parquet(path: Path) -> None:
    """Write as timm's inference.py does: the class in words and as a number, the file name last."""
    words = [f"n{90_000_000 + label}" for label in LABELS]
    columns = {"index": LABELS, "label": words, "prob": [0.5] * 50_000, "filename": NAMES}
    pq.write_table(pa.table(columns), path)


def write_npy(path: Path) -> None:
    """Write as cleanlab does: uint16 in file-name order."""
    np.save(path, np.array(LABELS, np.uint16))


# The same predictions in each format. A new format needs its line here.
SAMPLES: dict[str, Callable[[Path], None]] = {
    "csv": write_csv,
    "tsv": write_tsv,
    "parquet": write_parquet,
    "npy": write_npy,
}


@pytest.fixture(scope="module", params=formats.FORMATS)
def written(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """Return each format of the registry, and a file in it."""
    name = request.param
    assert name in SAMPLES, f"the format {name!r} needs a sample file: add it to SAMPLES"
    suffix = (formats.FORMATS[name].suffixes or ("",))[0]
    path = tmp_path_factory.mktemp("written") / f"a model{suffix}"
    SAMPLES[name](path)
    return name, path


@pytest.fixture
def sample(written: tuple[str, Path], tmp_path: Path) -> tuple[str, Path]:
    """Return each format of the registry, and a file in it for a test to move."""
    name, path = written
    return name, Path(shutil.copy(path, tmp_path))


def test_every_format_gives_the_same_rows(
    sample: tuple[str, Path], predictions_table: duckdb.DuckDBPyConnection
) -> None:
    _, path = sample
    assert predictions.add(predictions_table, path) == ["a model"]
    rows = predictions_table.execute(
        "select model, image_id, rank, label from predictions order by image_id"
    ).fetchall()
    assert rows == [("a model", *row) for row in zip(IMAGES, [1] * 50_000, LABELS, strict=True)]


def test_a_file_is_recognised(sample: tuple[str, Path]) -> None:
    name, path = sample
    assert formats.recognise(path) == name


def test_a_suffix_that_says_nothing(sample: tuple[str, Path]) -> None:
    name, path = sample
    assert formats.recognise(path.rename(path.with_suffix(".bak"))) == name


def test_a_suffix_that_is_wrong(
    sample: tuple[str, Path], predictions_table: duckdb.DuckDBPyConnection
) -> None:
    """Parquet and .npy are told by their first bytes; text takes the user's word."""
    name, path = sample
    path = path.rename(path.with_suffix(".csv"))
    assert formats.recognise(path) == (name if formats.FORMATS[name].begins else "csv")
    predictions.add(predictions_table, path, input_format=name)
    assert predictions_table.execute("select count(*) from predictions").fetchall() == [(50_000,)]


@pytest.mark.parametrize("folder", ["label=7", "model=theirs", "it's [ab]"])
def test_a_path_is_no_pattern_and_no_partition(
    folder: str, sample: tuple[str, Path], predictions_table: duckdb.DuckDBPyConnection
) -> None:
    """DuckDB's readers glob, and take `label=7/` in a path for a column."""
    _, path = sample
    for each in (folder, "it's a", "it's b"):
        (path.parent / each).mkdir(exist_ok=True)
        (path.parent / each / path.name).write_text("another", encoding="utf-8")
    path = path.replace(path.parent / folder / path.name)
    assert predictions.add(predictions_table, path) == ["a model"]
    assert predictions_table.execute("select sum(label) from predictions").fetchall() == [
        (sum(LABELS),)
    ]


def test_an_unknown_format_names_those_there_are(
    tmp_path: Path, predictions_table: duckdb.DuckDBPyConnection
) -> None:
    with pytest.raises(UsageError, match=f"'xlsx'; there are: {', '.join(formats.FORMATS)}"):
        predictions.add(predictions_table, tmp_path, input_format="xlsx")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty: there are no predictions in it"),
        (b"\x89PNG\r\n\x1a\n\0\0", "is in no format that realdb reads. It reads parquet: "),
        (b"PK\x03\x04\0\0", "is in no format that realdb reads"),
        ("file_name,label\n1,2\n".encode("utf-16"), "is in no format that realdb reads"),
        (bytes(range(128, 256)), "the header line is no UTF-8 text"),
        (b'{"1": 2}', "has no image column"),
    ],
)
def test_what_is_no_prediction_file(
    content: bytes, said: str, tmp_path: Path, refuse: Callable[..., str]
) -> None:
    path = tmp_path / "given"
    path.write_bytes(content)
    message = refuse(path)
    assert str(path) in message
    assert said in message


@pytest.mark.parametrize("name", ["", "absent.csv"], ids=["a folder", "absent"])
def test_what_is_no_file(name: str, tmp_path: Path, refuse: Callable[..., str]) -> None:
    assert f"{tmp_path / name} cannot be read: " in refuse(tmp_path / name)
