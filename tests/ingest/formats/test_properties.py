"""One set of predictions in every format, damaged or not: it is read correctly or refused."""

from __future__ import annotations

import csv
import io
import json
import operator
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from connections import empty_connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import feather

from campaigns import number
from needs import late
from realdb.errors import DataError, RealdbWarning
from realdb.ingest import predictions
from realdb.schema.tables import create_table

pd, pl = late("pandas"), late("polars")

Rows = list[dict[str, Any]]


def text_of(rows: Rows, **how: Any) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n", **how)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def with_index(rows: Rows) -> Rows:
    """Return the rows with the first column that pandas writes, which has no name."""
    return [{"": place, **row} for place, row in enumerate(rows)]


def arrow_of(table: pa.Table, new: Callable[..., Any]) -> bytes:
    sink = pa.BufferOutputStream()
    with new(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def parquet_of(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


def feather_of(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    feather.write_feather(table, sink)
    return sink.getvalue()


def packed(content: bytes, compression: str) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, compression) as stream:
        stream.write(content)
    return bytes(sink.getvalue())


def database_of(rows: Rows, folder: Path) -> bytes:
    """Write a table in a new DuckDB file."""
    path = folder / "written.duckdb"
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as con:
        con.register("rows", pa.Table.from_pylist(rows))
        con.execute("create table held as from rows")
    return path.read_bytes()


WRITE: dict[str, Callable[[Rows], bytes]] = {
    "csv": lambda rows: text_of(rows),
    "tsv": lambda rows: text_of(rows, delimiter="\t"),
    "quoted csv": lambda rows: text_of(rows, quoting=csv.QUOTE_ALL),
    "csv with an index": lambda rows: text_of(with_index(rows)),
    "csv.gz": lambda rows: packed(text_of(rows), "gzip"),
    "csv.zst": lambda rows: packed(text_of(rows), "zstd"),
    "jsonl": lambda rows: pd.DataFrame(rows).to_json(orient="records", lines=True).encode(),
    "json": lambda rows: json.dumps(rows).encode(),
    "json by column": lambda rows: pd.DataFrame(rows).to_json().encode(),
    "json split": lambda rows: pd.DataFrame(rows).to_json(orient="split", index=False).encode(),
    "parquet": lambda rows: parquet_of(pa.Table.from_pylist(rows)),
    "arrow": lambda rows: arrow_of(pa.Table.from_pylist(rows), pa.ipc.new_file),
    "arrow stream": lambda rows: arrow_of(pa.Table.from_pylist(rows), pa.ipc.new_stream),
    "feather": lambda rows: feather_of(pa.Table.from_pylist(rows)),
}
# Text has no end mark: missing rows after a complete row cannot be noticed.
HAS_AN_END = {"json", "json by column", "json split", "parquet", "arrow", "csv.gz", "csv.zst"}


@st.composite
def sets(draw: st.DrawFn) -> Rows:
    """Draw a few predictions; half of them may have a fault: an image twice, a label out of range.

    Without that half few would be right.
    """
    images = st.integers(1, 60) | st.just(50_000)
    labels = st.integers(0, 999)
    if may_be_wrong := draw(st.booleans()):
        images |= st.sampled_from([0, 50_001])
        labels |= st.sampled_from([-1, 1000, 21_840])
    unique_by = None if may_be_wrong else operator.itemgetter(0)
    pairs = st.tuples(images, labels)
    drawn = draw(st.lists(pairs, min_size=1, max_size=6, unique_by=unique_by))
    write = draw(
        st.sampled_from(
            [
                int,
                "ILSVRC2012_val_{:08d}.JPEG".format,
                "val/n01440764/ILSVRC2012_val_{:08d}.JPEG".format,
                "C:\\val\\ILSVRC2012_val_{:08d}".format,
            ]
        )
    )
    number = draw(st.sampled_from([int, str, float]))
    names = draw(
        st.sampled_from(
            [("filename", "index"), ("file_name", "predicted_class"), ("Image", "PRED")]
        )
    )
    return [dict(zip(names, (write(image), number(label)), strict=True)) for image, label in drawn]


def number_of(image: object) -> int:
    return int(str(image).rpartition("val_")[2].partition(".")[0])


def meaning(rows: Rows) -> dict[int, int] | None:
    """Return the label of each image; None where the rows have a fault."""
    pairs = [tuple(row.values()) for row in rows]
    found = {number_of(image): int(float(label)) for image, label in pairs}
    is_right = all(1 <= image <= 50_000 and 0 <= label < 1000 for image, label in found.items())
    return found if is_right and len(found) == len(rows) else None


def taken(source: object, where: str, **how: Any) -> tuple[dict[int, int] | None, bool]:
    """Return the first choice for each image as read, and whether a cut is warned of.

    None where it is refused, which a message of one line says, with `where` in it.
    """
    with empty_connection() as con, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        create_table(con, "predictions")
        try:
            predictions.add(con, source, **how)
        except DataError as error:
            assert "\n" not in str(error)
            assert where in str(error)
            return None, False
        rows = con.execute("select image_id, label from predictions where rank = 1").fetchall()
    assert len(dict(rows)) == len(rows)
    assert all(warning.category is RealdbWarning for warning in said)
    return dict(rows), bool(said)


def taken_from(content: bytes, path: Path) -> tuple[dict[int, int] | None, bool]:
    path.write_bytes(content)
    return taken(path, str(path))


RELAXED = settings(
    max_examples=number(4, 100, more=8),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.parametrize("form", WRITE)
@RELAXED
@given(rows=sets())
def test_values_are_read_correctly_or_refused(form: str, rows: Rows, tmp_path: Path) -> None:
    """A fault is found in every format, and files without a fault are read in every format."""
    assert taken_from(WRITE[form](rows), tmp_path / "mine") == (meaning(rows), False)


@pytest.mark.parametrize("form", WRITE)
@RELAXED
@given(rows=sets(), data=st.data())
def test_a_truncated_file_is_read_correctly_or_refused(
    form: str, rows: Rows, data: st.DataObject, tmp_path: Path
) -> None:
    """The rows that are read are right, except for a last line with a warning."""
    content = WRITE[form](rows)
    cut = content[: data.draw(st.integers(0, len(content) - 1))]
    found, is_warned = taken_from(cut, tmp_path / "mine")
    if found is None:
        return
    if form in HAS_AN_END:
        # A line end after the last brace, or a repeated part of the footer, may be missing.
        assert found == meaning(rows)
        return
    assert_begins(found, rows, may_end_wrong=is_warned)


def assert_begins(found: dict[int, int], rows: Rows, *, may_end_wrong: bool) -> None:
    """Assert that `found` are the first of the rows, or all but the last of it are."""
    pairs = [tuple(row.values()) for row in rows]
    meant = [(number_of(image), int(float(label))) for image, label in pairs]
    compared = len(found) - may_end_wrong
    assert list(found.items())[:compared] == meant[:compared]


@pytest.mark.cases(3)
@pytest.mark.parametrize("form", ["csv", "tsv", "quoted csv", "csv with an index", "label first"])
def test_a_text_cut_at_every_byte(form: str, tmp_path: Path) -> None:
    rows = [{"image": 21, "label": 512}, {"image": 43, "label": 777}, {"image": 65, "label": 908}]
    if form == "label first":
        content = text_of([{"label": row["label"], "image": row["image"]} for row in rows])
    else:
        content = WRITE[form](rows)
    outcomes = set()
    for size in range(len(content)):
        found, is_warned = taken_from(content[:size], tmp_path / "mine")
        if found is not None:
            assert_begins(found, rows, may_end_wrong=is_warned)
            outcomes.add((len(found) - is_warned, is_warned))
    # Complete lines are read without a warning, even if others are missing.
    assert {(1, False), (2, False)} <= outcomes
    assert any(is_warned for _, is_warned in outcomes)


IN_MEMORY: dict[str, Callable[[Rows], Any]] = {
    "arrow": pa.Table.from_pylist,
    "pandas": lambda rows: pd.DataFrame(rows),
    "pandas, indexed": lambda rows: pd.DataFrame(rows, index=range(7, 7 + len(rows))),
    "pandas with pyarrow": lambda rows: pd.DataFrame(rows).convert_dtypes(dtype_backend="pyarrow"),
    "polars": lambda rows: pl.DataFrame(rows),
    "a DuckDB relation": lambda rows: duckdb.connect().from_arrow(pa.Table.from_pylist(rows)),
}


@pytest.mark.parametrize("form", IN_MEMORY)
@RELAXED
@given(rows=sets())
def test_tables_in_memory(form: str, rows: Rows) -> None:
    assert taken(IN_MEMORY[form](rows), "the table") == (meaning(rows), False)


@RELAXED
@given(rows=sets())
def test_a_dict(rows: Rows) -> None:
    """The images are keys, so none is repeated."""
    held = dict(tuple(row.values()) for row in rows)
    once = [{"image": image, "label": label} for image, label in held.items()]
    assert taken(held, "the dict") == (meaning(once), False)


@RELAXED
@given(rows=sets(), data=st.data())
def test_a_table_in_a_database(rows: Rows, data: st.DataObject, tmp_path: Path) -> None:
    """DuckDB does not open a truncated file, unless a block is missing that it does not read."""
    content = database_of(rows, tmp_path)
    assert taken_from(content, tmp_path / "mine.duckdb") == (meaning(rows), False)
    assert taken(f"{tmp_path / 'mine.duckdb'}::held", "mine.duckdb") == (meaning(rows), False)
    cut = content[: data.draw(st.integers(0, len(content) - 1))]
    assert taken_from(cut, tmp_path / "cut.duckdb")[0] in (None, meaning(rows))


@RELAXED
@given(rows=sets(), data=st.data())
def test_a_dataset_on_disk(rows: Rows, data: st.DataObject, tmp_path: Path) -> None:
    """The rows are in one or several Arrow streams; one may be missing or truncated."""
    folder = tmp_path / "dataset"
    folder.mkdir(exist_ok=True)
    splits = sorted(data.draw(st.sets(st.integers(1, len(rows)), max_size=2)) | {len(rows)})
    names = [f"data-{part:05d}-of-{len(splits):05d}.arrow" for part in range(len(splits))]
    contents = []
    table = pa.Table.from_pylist(rows)
    for name, start, end in zip(names, [0, *splits], splits, strict=False):
        contents.append(arrow_of(table.slice(start, end - start), pa.ipc.new_stream))
        (folder / name).write_bytes(contents[-1])
    files = [{"filename": name} for name in names]
    state = {"_data_files": files, "_fingerprint": "0", "_format_type": None, "_split": None}
    (folder / "state.json").write_text(json.dumps(state), encoding="utf-8")
    assert taken(folder, str(folder)) == (meaning(rows), False)
    place = data.draw(st.integers(0, len(splits) - 1))
    cut = contents[place][: data.draw(st.integers(0, len(contents[place]) - 1))]
    (folder / names[place]).write_bytes(cut)
    assert taken(folder, str(folder))[0] in (None, meaning(rows))
    (folder / names[place]).unlink()
    assert taken(folder, str(folder)) == (None, False)


IMAGES = 50_000
NUMBERS = np.arange(IMAGES)


def npy_of(array: npt.NDArray[Any]) -> bytes:
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    return content.getvalue()


def npz_of(array: npt.NDArray[Any], **more: Any) -> bytes:
    content = io.BytesIO()
    np.savez(content, labels=array, **more)
    return content.getvalue()


ARRAYS: dict[str, Callable[[npt.NDArray[Any]], Any]] = {
    "in memory": lambda array: array,
    "npy": npy_of,
    "npy, columns first": lambda array: npy_of(np.asfortranarray(array)),
    "npy, big-endian": lambda array: npy_of(array.astype(array.dtype.newbyteorder(">"))),
    "npz": npz_of,
    "npz with another array": lambda array: npz_of(array, names=np.array(["tench"])),
}


@st.composite
def arrays(draw: st.DrawFn) -> npt.NDArray[np.integer[Any]]:
    """Draw 50,000 labels, or ranked ones, which may have a fault."""
    labels = (NUMBERS * draw(st.integers(1, 999)) + draw(st.integers(0, 999))) % 1000
    ranks = draw(st.integers(0, 6))
    array = (labels[:, None] + np.arange(ranks)) % 1000 if ranks else labels
    array = array.astype(draw(st.sampled_from([np.int16, np.uint16, np.int32, np.int64])))
    faults = {
        "none": array,
        "an image too few": array[:-1],
        "an image twice": np.concatenate([array, array[:1]]),
        "floats": array.astype(np.float32),
        "an axis more": array[..., None, None],
        "on its side": array[None] if array.ndim == 1 else array.T,
    }
    name = draw(st.sampled_from([*["none"] * 6, "out of range", "twice", *faults]))
    if name in faults:
        return np.ascontiguousarray(faults[name])
    row = draw(st.integers(0, IMAGES - 1))
    if name == "out of range":
        array[row, ...] = draw(st.sampled_from([1000, 21_840]))
    elif ranks > 1:
        array[row, 1] = array[row, 0]
    return array


def meaning_of_array(array: npt.NDArray[Any]) -> dict[int, int] | None:
    """Return the first choice for each image, in file-name order; None where there is a fault."""
    if array.dtype.kind not in "iu" or len(array) != IMAGES or array.ndim > 2:
        return None
    ranked = array.astype(int).reshape(IMAGES, -1)
    if ranked.min() < 0 or ranked.max() > 999 or (np.diff(np.sort(ranked), axis=1) == 0).any():
        return None
    return dict(zip((NUMBERS + 1).tolist(), ranked[:, 0].tolist(), strict=True))


@pytest.mark.parametrize("form", ARRAYS)
@RELAXED
@given(array=arrays(), data=st.data())
def test_arrays(form: str, array: npt.NDArray[Any], data: st.DataObject, tmp_path: Path) -> None:
    written = ARRAYS[form](array)
    if not isinstance(written, bytes):
        assert taken(written, "the array") == (meaning_of_array(array), False)
        return
    assert taken_from(written, tmp_path / "mine") == (meaning_of_array(array), False)
    cut = written[: data.draw(st.integers(0, len(written) - 1))]
    assert taken_from(cut, tmp_path / "cut") == (None, False)


@RELAXED
@given(array=arrays(), seed=st.integers(0, 99), fault=st.sampled_from([None, "twice", "unknown"]))
def test_an_array_in_another_order(
    array: npt.NDArray[Any], seed: int, fault: str | None, tmp_path: Path
) -> None:
    """The array is shuffled, with a list of the images, which may have a fault too."""
    images = np.random.default_rng(seed).permutation(NUMBERS) + 1
    names = [f"val/ILSVRC2012_val_{image:08d}.JPEG" for image in images.tolist()]
    if fault:
        names[5] = names[4] if fault == "twice" else "ILSVRC2012_test_00000001.JPEG"
    order = tmp_path / "names.json"
    order.write_text(json.dumps(names), encoding="utf-8")
    meant = meaning_of_array(array)
    if meant is not None:
        meant = dict(zip(images.tolist(), meant.values(), strict=True))
    expected = None if fault else meant
    assert taken(array, "the array", order=order) == (expected, False)
