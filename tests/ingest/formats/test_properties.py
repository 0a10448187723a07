"""One set of predictions in every format, damaged or not: what is read is right, or refused."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import feather

from realdb.errors import DataError
from realdb.ingest import predictions
from realdb.schema.store import create_table

Rows = list[dict[str, Any]]


def text_of(frame: pd.DataFrame, **how: Any) -> bytes:
    text = io.StringIO()
    frame.to_csv(text, index=False, **how)
    return text.getvalue().encode()


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


WRITE: dict[str, Callable[[Rows], bytes]] = {
    "csv": lambda rows: text_of(pd.DataFrame(rows)),
    "tsv": lambda rows: text_of(pd.DataFrame(rows), sep="\t"),
    "quoted csv": lambda rows: text_of(pd.DataFrame(rows), quoting=1),
    "csv with an index": lambda rows: pd.DataFrame(rows).to_csv().encode(),
    "csv.gz": lambda rows: packed(text_of(pd.DataFrame(rows)), "gzip"),
    "csv.zst": lambda rows: packed(text_of(pd.DataFrame(rows)), "zstd"),
    "jsonl": lambda rows: pd.DataFrame(rows).to_json(orient="records", lines=True).encode(),
    "json": lambda rows: json.dumps(rows).encode(),
    "json by column": lambda rows: pd.DataFrame(rows).to_json().encode(),
    "json split": lambda rows: pd.DataFrame(rows).to_json(orient="split", index=False).encode(),
    "parquet": lambda rows: parquet_of(pa.Table.from_pylist(rows)),
    "arrow": lambda rows: arrow_of(pa.Table.from_pylist(rows), pa.ipc.new_file),
    "arrow stream": lambda rows: arrow_of(pa.Table.from_pylist(rows), pa.ipc.new_stream),
    "feather": lambda rows: feather_of(pa.Table.from_pylist(rows)),
}
# Text has no end of its own: what is cut off behind a row cannot be missed.
HAS_AN_END = {"json", "json by column", "json split", "parquet", "arrow", "csv.gz", "csv.zst"}


@st.composite
def sets(draw: st.DrawFn) -> Rows:
    """Draw a few predictions, which may have a fault: an image twice, a label out of range."""
    images = st.integers(0, 60) | st.sampled_from([50_000, 50_001])
    labels = st.integers(0, 999) | st.sampled_from([-1, 1000, 21_840])
    drawn = draw(st.lists(st.tuples(images, labels), min_size=1, max_size=6))
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


def taken(content: bytes, path: Path) -> dict[int, int] | None:
    """Return the label of each image as read; None where it is refused."""
    path.write_bytes(content)
    with duckdb.connect() as con:
        create_table(con, "predictions")
        try:
            predictions.add(con, path)
        except DataError as error:
            assert "\n" not in str(error)
            assert str(path) in str(error)
            return None
        rows = con.execute("select image_id, label from predictions").fetchall()
    assert len(dict(rows)) == len(rows)
    return dict(rows)


RELAXED = settings(
    deadline=None,
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.parametrize("form", WRITE)
@RELAXED
@given(rows=sets())
def test_right_or_refused(form: str, rows: Rows, tmp_path: Path) -> None:
    """A fault is found in every format alike, and what has none is read in every one."""
    assert taken(WRITE[form](rows), tmp_path / "given") == meaning(rows)


@pytest.mark.parametrize("form", WRITE)
@RELAXED
@given(rows=sets(), data=st.data())
def test_a_file_that_is_cut_short(
    form: str, rows: Rows, data: st.DataObject, tmp_path: Path
) -> None:
    content = WRITE[form](rows)
    cut = content[: data.draw(st.integers(0, len(content) - 1))]
    found = taken(cut, tmp_path / "given")
    if found is None:
        return
    meant = [tuple(row.values()) for row in rows]
    if form in HAS_AN_END:
        # A line end behind the last brace, or what a footer repeats, may be missing.
        assert found == meaning(rows)
        return
    # Of text the last number may be shorter; all before it stand as they were.
    whole = cut.endswith(b"\n") or (len(found) == len(rows) and form in ("arrow stream", "feather"))
    for place, (image, label) in enumerate(found.items()):
        is_last = place == len(found) - 1
        assert image == number_of(meant[place][0])
        assert label == int(float(meant[place][1])) or (is_last and not whole)
