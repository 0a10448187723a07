from __future__ import annotations

import csv
import gzip
import json
import pickle
import shutil
import sys
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from needs import late
from realdb.errors import DataError, UsageError
from realdb.ingest import formats, predictions
from refusals import refused

pd, pl = late("pandas"), late("polars")

IMAGES = range(1, 50_001)
LABELS = [image * 7 % 1000 for image in IMAGES]
NAMES = [f"ILSVRC2012_val_{image:08d}.JPEG" for image in IMAGES]


def write_csv(path: Path) -> None:
    """Write as ImageNet-X does: by class, with CSV's line ends and more columns."""
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


def write_arrow(path: Path) -> None:
    """Write as Polars' write_ipc does, with Polars' types."""
    pl.DataFrame({"image": NAMES, "label": LABELS}).write_ipc(path)


def write_npy(path: Path) -> None:
    """Write as cleanlab does: uint16."""
    np.save(path, np.array(LABELS, np.uint16))


def write_npz(path: Path) -> None:
    """Write as an evaluation does that stores more than its predictions."""
    with path.open("wb") as file:
        np.savez_compressed(file, predictions=np.array(LABELS), targets=np.zeros(50_000, int))


def write_pt(path: Path) -> None:
    """Write a tensor for the stand-in of torch below, because CI has no torch."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{path.stem}/data.pkl", b"")
        archive.writestr(f"{path.stem}/data/0", np.array(LABELS, np.int64).tobytes())


def write_duckdb(path: Path) -> None:
    with duckdb.connect(str(path)) as con:
        con.register("rows", pa.table({"image": NAMES, "label": LABELS}))
        con.execute("create table answers as from rows")


def write_dataset(path: Path) -> None:
    """Write as datasets' save_to_disk does: Arrow streams and their descriptions."""
    path.mkdir()
    table = pa.table({"file_name": NAMES, "prediction": LABELS})
    names = [f"data-0000{part}-of-00002.arrow" for part in range(2)]
    for part, name in enumerate(names):
        rows = table.slice(part * 25_000, 25_000)
        with pa.ipc.new_stream(path / name, table.schema) as stream:
            stream.write_table(rows, max_chunksize=1000)
    state = {
        "_data_files": [{"filename": name} for name in names],
        "_fingerprint": "0123456789abcdef",
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": None,
    }
    (path / "state.json").write_text(json.dumps(state, indent=2), encoding="utf-8")
    (path / "dataset_info.json").write_text("{}", encoding="utf-8")


def write_json(path: Path) -> None:
    """Write as timm's inference.py --results-format json does."""
    frame = pd.DataFrame({"filename": NAMES, "index": LABELS, "prob": 0.5})
    frame.set_index("filename").to_json(path, orient="index", indent=4)


def write_jsonl(path: Path) -> None:
    frame = pd.DataFrame({"filename": NAMES, "index": LABELS, "prob": 0.5})
    frame.to_json(path, lines=True, orient="records")


# The same predictions in each format. A new format needs its line here.
SAMPLES: dict[str, Callable[[Path], None]] = {
    "csv": write_csv,
    "tsv": write_tsv,
    "parquet": write_parquet,
    "arrow": write_arrow,
    "npy": write_npy,
    "npz": write_npz,
    "pt": write_pt,
    "duckdb": write_duckdb,
    "dataset": write_dataset,
    "json": write_json,
    "jsonl": write_jsonl,
}


class Torch(types.ModuleType):
    """A stand-in for the functions of torch that realdb calls."""

    bfloat16 = "bfloat16"

    class Tensor:
        dtype = "int64"

        def __init__(self, content: bytes) -> None:
            self.content = content

        def detach(self) -> Any:
            return self

        def numpy(self) -> Any:
            return np.frombuffer(self.content, np.int64)

    @staticmethod
    def is_tensor(value: object) -> bool:
        return isinstance(value, Torch.Tensor)

    @staticmethod
    def load(path: Path, *, map_location: str, weights_only: bool) -> object:
        assert weights_only
        assert map_location == "cpu"
        with zipfile.ZipFile(path) as archive:
            (member,) = (name for name in archive.namelist() if name.endswith("/data/0"))
            return Torch.Tensor(archive.read(member))


@pytest.fixture(autouse=True)
def _torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", Torch("torch"))


@pytest.fixture(scope="module", params=formats.PREDICTION_FORMATS)
def written(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """Return each format of the registry, and a file in it."""
    name = request.param
    assert name in SAMPLES, f"the format {name!r} needs a sample file: add it to SAMPLES"
    suffix = (formats.PREDICTION_FORMATS[name].suffixes or ("",))[0]
    path = tmp_path_factory.mktemp("written") / f"a model{suffix}"
    SAMPLES[name](path)
    return name, path


@pytest.fixture
def sample(written: tuple[str, Path], tmp_path: Path) -> tuple[str, Path]:
    """Return each format of the registry, and a file in it for a test to move."""
    name, path = written
    copy = shutil.copytree if path.is_dir() else shutil.copy
    return name, Path(copy(path, tmp_path / path.name))


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


def test_a_file_with_an_unknown_suffix_is_recognised(sample: tuple[str, Path]) -> None:
    name, path = sample
    assert formats.recognise(path.rename(path.with_suffix(".bak"))) == name


def test_a_suffix_that_is_wrong(
    sample: tuple[str, Path], predictions_table: duckdb.DuckDBPyConnection
) -> None:
    """The format is detected by the content."""
    name, path = sample
    path = path.rename(path.with_suffix(".csv"))
    assert formats.recognise(path) == name
    predictions.add(predictions_table, path, input_format=name)
    assert predictions_table.execute("select count(*) from predictions").fetchall() == [(50_000,)]


@pytest.mark.parametrize("folder", ["label=7", "model=theirs", "it's [ab]"])
def test_paths_are_not_read_as_patterns_or_partitions(
    folder: str, sample: tuple[str, Path], predictions_table: duckdb.DuckDBPyConnection
) -> None:
    """DuckDB's readers expand patterns, and read `label=7/` in a path as a column."""
    _, path = sample
    for each in (folder, "it's a", "it's b"):
        (path.parent / each).mkdir(exist_ok=True)
        if not path.is_dir():
            (path.parent / each / path.name).write_text("another", encoding="utf-8")
    path = path.replace(path.parent / folder / path.name)
    assert predictions.add(predictions_table, path) == ["a model"]
    assert predictions_table.execute("select sum(label) from predictions").fetchall() == [
        (sum(LABELS),)
    ]


@pytest.mark.parametrize("name", ["csv", "tsv", "json", "jsonl", "npy"])
@pytest.mark.parametrize("suffix", [".gz", ".zst", ".packed"])
def test_a_packed_file(
    name: str, suffix: str, tmp_path: Path, predictions_table: duckdb.DuckDBPyConnection
) -> None:
    """It is detected by its content, and has the model name of the packed file."""
    path = tmp_path / f"a model{formats.PREDICTION_FORMATS[name].suffixes[0]}"
    SAMPLES[name](path)
    packed = path.with_name(path.name + suffix)
    compression = "zstd" if suffix == ".zst" else "gzip"
    with pa.output_stream(str(packed), compression=compression) as file:
        file.write(path.read_bytes())
    path.unlink()
    model = path.name if suffix == ".packed" else "a model"
    assert predictions.add(predictions_table, packed) == [model]
    assert predictions_table.execute("select sum(label), count(*) from predictions").fetchall() == [
        (sum(LABELS), 50_000)
    ]


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_a_packed_file_that_is_damaged(
    compression: str, tmp_path: Path, refuse: Callable[..., DataError]
) -> None:
    path = tmp_path / "a.csv"
    with pa.output_stream(str(path), compression=compression) as file:
        file.write(b"image,label\n1,2\n" + bytes(range(256)) * 100)
    path.write_bytes(path.read_bytes()[:-20])
    error = refuse(path)
    assert (error.file, error.row) == (str(path), None)
    assert str(error).startswith(f"{path} ")


def test_errors_name_the_packed_file(tmp_path: Path, refuse: Callable[..., DataError]) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"image,label\n1,1000\n"))
    error = refuse(path)
    assert (error.file, error.row, error.column, error.value) == (str(path), 1, "label", "1000")
    assert str(error).startswith(f"{path}: ")


def test_an_unknown_format_lists_the_known_ones(
    tmp_path: Path, predictions_table: duckdb.DuckDBPyConnection
) -> None:
    names = ", ".join(formats.PREDICTION_FORMATS)
    with refused(UsageError, names, parameter="input_format", value="xlsx"):
        predictions.add(predictions_table, tmp_path, input_format="xlsx")


@pytest.mark.parametrize(
    ("content", "fact", "fields"),
    [
        (b"", "empty", {}),
        (b"\0\1\2\3", "parquet: ", {}),
        (b"PK\x03\x04\0\0", "zip", {}),
        (pickle.dumps([1, 2]), "pickle", {}),
        (bytes(range(128, 256)), "UTF-8", {"value": "0x80"}),
        (b'{"a": {"b": 2}}', "'a'", {"value": "a", "count": 1}),
        (b'{"1": 2, "1": 2}', "'1'", {"value": "1", "count": 1}),
        (b'{"1": 2', "JSON", {}),
        (b"[1, 2, 3]", "3 rows", {"column": "image", "count": 3}),
        (b"[]", "", {"count": 0}),
        (b'{"image": 1, "label": 2}\n{"image": 2, "label"}\n', "JSON", {"row": 2, "value": "}"}),
        (
            b'{"columns": ["image", "label"], "data": [[1, 2], [3], 4]}',
            "2 of 3",
            {"row": 2, "count": 2},
        ),
        (b'{"columns": ["image", "label"], "data": 5}', "'data'", {}),
        (b'{"columns": 5, "data": []}', "'columns'", {}),
    ],
)
def test_other_files_are_refused(
    content: bytes,
    fact: str,
    fields: dict[str, object],
    tmp_path: Path,
    refuse: Callable[..., DataError],
) -> None:
    path = tmp_path / "unknown"
    path.write_bytes(content)
    error = refuse(path)
    assert error.file == str(path)
    assert str(path) in str(error)
    assert fact in str(error)
    for name in ("row", "column", "value", "count", "parameter"):
        assert getattr(error, name) == fields.get(name)


def test_json_that_is_one_number(tmp_path: Path, refuse: Callable[..., DataError]) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"5")
    error = refuse(path, input_format="json")
    assert (error.file, error.row, error.column, error.value) == (str(path), None, None, "5")


@pytest.mark.parametrize("name", ["", "absent.csv"], ids=["a folder", "absent"])
def test_paths_that_are_not_files_are_refused(
    name: str, tmp_path: Path, refuse: Callable[..., DataError]
) -> None:
    error = refuse(tmp_path / name)
    assert error.file == str(tmp_path / name)
    assert str(error).startswith(f"{tmp_path / name} ")
