"""Prediction files run no code and read no other files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from realdb.errors import DataError
from realdb.ingest import predictions

SECRET = "the content of a file that nobody named"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.txt"
    path.write_text(SECRET, encoding="utf-8")
    return path


@pytest.mark.parametrize("has_table", [False, True])
def test_a_view_of_a_database_file_is_not_run(
    has_table: bool, secret: Path, predictions_table: Any, tmp_path: Path
) -> None:
    path = tmp_path / "preds.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute(
            f"create view preds as select content as image, 1 as label from read_text('{secret}')"
        )
        if has_table:
            con.execute("create table other as select 1 as image, 2 as label")
    for name in (path, f"{path}::preds"):
        if has_table and name == path:
            continue
        with pytest.raises(DataError) as caught:
            predictions.add(predictions_table, name)
        assert SECRET not in str(caught.value)
    if has_table:
        assert predictions.add(predictions_table, path) == ["preds"]
    assert predictions_table.execute("select count(*) from predictions").fetchall() == [
        (int(has_table),)
    ]


def test_a_macro_of_a_database_file_is_not_run(
    secret: Path, predictions_table: Any, tmp_path: Path
) -> None:
    """A macro may hide a function that realdb calls."""
    path = tmp_path / "preds.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("create table preds as select 1 as image, 2 as label")
        for name in ("trim", "lower", "duckdb_tables", "duckdb_views"):
            kind = "table " if name.startswith("duckdb") else ""
            con.execute(
                f"create macro {name}(x) as {kind}(select content from read_text('{secret}'))"
            )
    try:
        predictions.add(predictions_table, path)
    except DataError as error:
        assert SECRET not in str(error)
    else:
        found = predictions_table.execute("select image_id, label from predictions").fetchall()
        assert found == [(1, 2)]


@pytest.mark.parametrize("how", ["absolute", "above", "link", "number"])
def test_a_dataset_folder_cannot_name_other_files(
    how: str, predictions_table: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "dataset"
    folder.mkdir()
    elsewhere = tmp_path / "data.arrow"
    table = pa.table({"image": [1], "label": [2]})
    with pa.ipc.new_stream(elsewhere, table.schema) as sink:
        sink.write_table(table)
    name: object = {"absolute": str(elsewhere), "above": "../data.arrow", "number": 7}.get(how)
    if how == "link":
        (folder / "data.arrow").symlink_to(elsewhere)
        name = "data.arrow"
    state = {"_data_files": [{"filename": name}]}
    (folder / "state.json").write_text(json.dumps(state), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        predictions.add(predictions_table, folder)
    assert caught.value.value == str(name)
    shutil.copy(elsewhere, folder / "own.arrow")
    state = {"_data_files": [{"filename": "own.arrow"}]}
    (folder / "state.json").write_text(json.dumps(state), encoding="utf-8")
    assert predictions.add(predictions_table, folder) == ["dataset"]
