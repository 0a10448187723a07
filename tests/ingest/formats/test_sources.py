"""Folders, patterns and sets in several files; databases, datasets and arrays in another order."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

import realdb
from realdb.errors import DataError, RealdbWarning, UsageError
from realdb.ingest import predictions
from realdb.ingest.locate import expand
from realdb.store.store import Store
from refusals import refused

LABELS = np.arange(50_000) * 7 % 1000
TEXT = "image,label\n1,2\n2,3\n"


def put(path: Path, text: str = TEXT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def models_of(inputs: list[Any]) -> list[tuple[Any, str | None]]:
    return [(source.predictions, source.model) for source in expand(inputs)]


def test_a_path_is_one_source(tmp_path: Path) -> None:
    path = put(tmp_path / "ViT-B.16.csv.gz")
    table = pa.table({"image": [1], "label": [2]})
    assert models_of([path, "-", table]) == [(path, "ViT-B.16"), ("-", "stdin"), (table, None)]


def test_a_folder_gives_its_files(tmp_path: Path) -> None:
    paths = [put(tmp_path / name) for name in ("b.csv", "a.parquet", "c.tsv.zst", "D.JSONL")]
    put(tmp_path / ".hidden.csv")
    put(tmp_path / "_SUCCESS")
    found = models_of([tmp_path])
    assert found == [(path, path.name.partition(".")[0]) for path in sorted(paths)]


def test_skipped_files_of_a_folder_are_reported(tmp_path: Path) -> None:
    put(tmp_path / "b.csv")
    put(tmp_path / "README.md")
    put(tmp_path / "deeper" / "c.csv")
    with pytest.warns(RealdbWarning, match=r"2 entries .*: README.md, deeper"):
        assert models_of([tmp_path]) == [(tmp_path / "b.csv", "b")]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "README.md")
    with refused(DataError, ".csv", ".gz", file=tmp_path, parameter="predictions", count=None):
        expand([tmp_path])


def test_a_pattern(tmp_path: Path) -> None:
    paths = [put(tmp_path / name) for name in ("a1.csv", "a2.csv")]
    put(tmp_path / "b.csv")
    assert models_of([str(tmp_path / "a?.csv")]) == [(str(path), path.stem) for path in paths]
    with pytest.raises(DataError) as caught:
        expand([tmp_path / "c*.csv"])
    assert (caught.value.file, caught.value.parameter) == (str(tmp_path / "c*.csv"), "predictions")


def test_a_name_that_looks_like_a_pattern(tmp_path: Path) -> None:
    path = put(tmp_path / "a[1].csv")
    assert models_of([path]) == [(path, "a[1]")]


def test_hive_folders(tmp_path: Path, predictions_table: duckdb.DuckDBPyConnection) -> None:
    """DuckDB, Spark and pyarrow write them. The model is only in the folder's name."""
    con = predictions_table
    con.execute(
        "create table rows as from (values ('a b', 1, 2), ('c', 1, 3)) t(model, image, label)"
    )
    con.execute(f"copy rows to '{tmp_path}' (format parquet, partition_by (model))")
    con.execute("drop table rows")
    another = pa.table({"image": ["ILSVRC2012_val_00000002.JPEG"], "label": ["9"]})
    pq.write_table(another, tmp_path / "model=c" / "part-1.parquet")
    for source in expand([tmp_path]):
        predictions.add(con, source.predictions, model=source.model)
    rows = con.execute("select model, image_id, label from predictions order by all").fetchall()
    assert rows == [("a b", 1, 2), ("c", 1, 3), ("c", 2, 9)]


def test_a_repeated_image_in_several_files_of_a_model(
    tmp_path: Path, refuse: Callable[..., DataError]
) -> None:
    paths = tuple(put(tmp_path / name) for name in ("a.csv", "b.csv"))
    error = refuse(paths, model="m")
    assert f"{paths[0]} and 1 more: 2 images" in str(error)
    assert (error.row, error.column, error.count) == (1, "image", 2)


def test_hive_folders_within_hive_folders(tmp_path: Path) -> None:
    put(tmp_path / "model=a" / "split=val" / "part-0.csv")
    inner = tmp_path / "model=a" / "split=val"
    with refused(DataError, file=inner, parameter="predictions", count=1):
        expand([tmp_path])
    (inner / "part-0.csv").unlink()
    with refused(DataError, file=inner.parent, parameter="predictions", count=0):
        expand([tmp_path])


def test_accuracy_of_a_folder(synthetic: Path, synthetic_store: Store) -> None:
    folder = synthetic / "predictions"
    table = realdb.accuracy_table(folder, store=synthetic_store.root)
    assert [row[0] for row in table.fetchall()] == ["model_a", "model_b"]
    asked = realdb.query("select count(*) from model_a", folder, store=synthetic_store.root)
    assert asked.fetchall() == [(50_000,)]


def test_a_table_of_a_database(tmp_path: Path, predictions_table: Any) -> None:
    path = tmp_path / "mine.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("create table vit as select 1 as image, 2 as label")
        con.execute('create table "odd :: name" as select 5 as image, [6, 7] as label')
    assert predictions.add(predictions_table, f"{path}::vit") == ["vit"]
    assert predictions.add(predictions_table, f"{path}::odd :: name") == ["odd :: name"]
    rows = predictions_table.execute("select image_id, rank, label from predictions").fetchall()
    assert rows == [(1, 1, 2), (5, 1, 6), (5, 2, 7)]
    duckdb.connect(str(path)).close()  # nothing holds it


def test_a_database_with_several_tables_needs_a_choice(
    tmp_path: Path, refuse: Callable[..., DataError]
) -> None:
    path = tmp_path / "mine.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("create table a as select 1 as image, 2 as label; create table b as from a")
    error = refuse(path)
    assert (error.file, error.value, error.count) == (str(path), None, 2)
    assert error.remedy
    assert f"{path}::TABLE" in error.remedy
    assert error.remedy.endswith(" a, b")
    error = refuse(f"{path}::c")
    assert (error.file, error.value, error.count) == (f"{path}::c", "c", 2)
    error = refuse(f"{tmp_path / 'none.duckdb'}::a")
    assert (error.file, error.count) == (f"{tmp_path / 'none.duckdb'}::a", None)


def test_a_relation(predictions_table: Any) -> None:
    relation = duckdb.connect().sql("select 1 as image, 2 as label")
    predictions.add(predictions_table, relation)
    assert predictions_table.execute("select image_id, label from predictions").fetchall() == [
        (1, 2)
    ]


class Dataset:
    """The part of datasets.Dataset that realdb uses: the selected rows as Arrow."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def with_format(self, form: str) -> Dataset:
        assert form == "arrow"
        return self

    def __getitem__(self, rows: slice) -> pa.Table:
        assert rows == slice(None)
        return self.table


def test_a_dataset(predictions_table: Any) -> None:
    predictions.add(predictions_table, Dataset(pa.table({"image": [1], "label": [2]})))
    assert predictions_table.execute("select image_id, label from predictions").fetchall() == [
        (1, 2)
    ]


@pytest.mark.parametrize(
    ("state", "fact", "count"),
    [
        ("{}", "save_to_disk", None),
        ("no json", "save_to_disk", None),
        ('{"_data_files": []}', "", 0),
        ('{"_data_files": [{"filename": "a.arrow"}]}', "a.arrow", None),
    ],
)
def test_a_dataset_that_is_damaged(
    state: str, fact: str, count: int | None, tmp_path: Path, refuse: Callable[..., DataError]
) -> None:
    put(tmp_path / "state.json", state)
    error = refuse(tmp_path)
    assert fact in str(error)
    assert error.file == str(tmp_path / "a.arrow" if fact == "a.arrow" else tmp_path)
    assert error.count == count


@pytest.mark.parametrize("how", ["file", "stream", "feather"])
@pytest.mark.parametrize("cut", [0, 5, 200])
def test_arrow(how: str, cut: int, tmp_path: Path, predictions_table: Any) -> None:
    table = pa.table({"image": list(range(1, 101)), "label": [5] * 100})
    path = tmp_path / "a.bin"
    if how == "feather":
        feather.write_feather(table, str(path), compression="zstd")
    else:
        new = pa.ipc.new_file if how == "file" else pa.ipc.new_stream
        with new(path, table.schema) as sink:
            sink.write_table(table)
    path.write_bytes(path.read_bytes()[: -cut or None])
    if cut:
        with pytest.raises(DataError) as caught:
            predictions.add(predictions_table, path)
        assert caught.value.file == str(path)
        return
    predictions.add(predictions_table, path)
    rows = predictions_table.execute("select image_id, label from predictions").fetchall()
    assert rows == [(image, 5) for image in range(1, 101)]


def test_top_k_arrays(predictions_table: Any) -> None:
    ranked = (LABELS[:, None] + np.arange(3)) % 1000
    predictions.add(predictions_table, ranked.astype(">i2"))
    rows = predictions_table.execute("select image_id, rank, label from predictions").fetchnumpy()
    assert np.array_equal(rows["label"], ranked.ravel())
    assert np.array_equal(rows["rank"][:4], [1, 2, 3, 1])
    assert np.array_equal(rows["image_id"][:4], [1, 1, 1, 2])


def test_all_classes_by_rank(predictions_table: Any) -> None:
    row = np.random.default_rng(0).permutation(1000).astype(np.int16)
    predictions.add(predictions_table, np.broadcast_to(row, (50_000, 1000)))
    rows = predictions_table.execute("select label from predictions limit 6").fetchall()
    assert [label for (label,) in rows] == [*row[:5], row[0]]


def test_logits_in_column_order(tmp_path: Path, predictions_table: Any) -> None:
    ranked = np.asfortranarray((LABELS[:, None] + np.arange(2)) % 1000)
    np.save(tmp_path / "a.npy", ranked)
    predictions.add(predictions_table, tmp_path / "a.npy")
    rows = predictions_table.execute("select label from predictions").fetchnumpy()
    assert np.array_equal(rows["label"], ranked.ravel())


@pytest.mark.parametrize(
    ("names", "facts"),
    [
        (["a", "b"], r"2 .*\(a, b\), and 0"),
        (["labels", "logits"], r"2 .*\(labels, logits\), and 2"),
        ([], ""),
    ],
)
def test_an_npz_with_several_arrays_needs_a_choice(
    names: list[str], facts: str, tmp_path: Path, refuse: Callable[..., DataError]
) -> None:
    arrays: Any = dict.fromkeys(names, LABELS)
    np.savez(tmp_path / "a.npz", **arrays)
    error = refuse(tmp_path / "a.npz")
    assert error.file == str(tmp_path / "a.npz")
    assert error.count == len(names)
    assert re.search(facts, str(error))


def test_the_only_array_of_an_npz(tmp_path: Path, predictions_table: Any) -> None:
    np.savez(tmp_path / "a.npz", LABELS)
    predictions.add(predictions_table, tmp_path / "a.npz")
    rows = predictions_table.execute("select label from predictions").fetchnumpy()
    assert np.array_equal(rows["label"], LABELS)


def test_pytorch_without_torch(
    tmp_path: Path, refuse: Callable[..., DataError], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("a/data.pkl", b"")
    error = refuse(tmp_path / "a.pt")
    assert error.file == str(tmp_path / "a.pt")
    assert error.remedy
    assert "torch.load(FILE).numpy()" in error.remedy


def order_of(store: Store) -> list[int]:
    """Return the images as ImageFolder gives them: by class folder, then by file name."""
    con = store.connect()
    rows = con.sql("select image_id, original_label from images").fetchall()
    return [image for image, _ in sorted(rows, key=lambda row: (row[1], row[0]))]


def test_class_folder_order(synthetic_store: Store, tmp_path: Path) -> None:
    """As cleanlab's imagenet_val_set_pyx_argmax_predicted_labels.npy, and its index as JSON."""
    order = order_of(synthetic_store)
    np.save(tmp_path / "m.npy", LABELS.astype(np.uint16))
    names = [f"val/n00000000/ILSVRC2012_val_{image:08d}.JPEG" for image in order]
    put(tmp_path / "index.json", json.dumps(names))
    put(tmp_path / "index.txt", "\n".join(names) + "\n")
    expected = sorted(zip(order, LABELS.tolist(), strict=True))
    for how in ("class-folder", tmp_path / "index.json", str(tmp_path / "index.txt")):
        con = synthetic_store.connect()
        predictions.add(con, tmp_path / "m.npy", order=how)
        found = con.execute("select image_id, label from predictions order by 1").fetchall()
        assert found == expected


def test_order_applies_to_logits_and_ranks(synthetic_store: Store) -> None:
    con = synthetic_store.connect()
    ranked = np.stack([LABELS, (LABELS + 1) % 1000], axis=1)
    predictions.add(con, ranked, order="class-folder")
    found = con.execute("select image_id from predictions").fetchnumpy()["image_id"]
    assert found.tolist() == np.repeat(order_of(synthetic_store), 2).tolist()


def test_unknown_orders_are_refused(predictions_table: Any) -> None:
    with pytest.raises(UsageError, match="file-name, class-folder") as caught:
        predictions.add(predictions_table, LABELS, order="folders")
    assert (caught.value.parameter, caught.value.value) == ("order", "folders")


def test_an_order_that_does_not_fit(tmp_path: Path, predictions_table: Any, refuse: Any) -> None:
    error = refuse(LABELS, order="class-folder")
    assert (error.parameter, error.value, error.count) == ("order", "class-folder", 0)
    one = put(tmp_path / "a.txt", "ILSVRC2012_val_00000001.JPEG\n")
    error = refuse(LABELS, order=one)
    assert (error.parameter, error.file, error.count) == ("order", str(one), 1)
    assert "50,000" in str(error)
    twice = put(tmp_path / "b.txt", "ILSVRC2012_val_00000001.JPEG\n" * 50_000)
    error = refuse(LABELS, order=twice)
    assert (error.column, error.value, error.count) == ("image", "1", 1)
    with pytest.raises(UsageError) as caught:
        predictions.add(predictions_table, {1: 2}, order=twice)
    assert (caught.value.parameter, caught.value.file) == ("order", None)
    path = put(tmp_path / "c.csv")
    with pytest.raises(UsageError) as caught:
        predictions.add(predictions_table, path, order=twice)
    assert (caught.value.parameter, caught.value.file) == ("order", str(path))
