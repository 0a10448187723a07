"""The outputs of timm's inference.py with all of its flags."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from needs import late
from realdb.errors import DataError
from realdb.ingest import predictions
from realdb.schema.tables import create_table

pd = late("pandas")

IMAGES = 60
# Their texts have commas, quotes of both kinds and capitals, as those of ImageNet have.
NAMES = [
    f'name {label}, judge\'s robe, "{label}" B' if label % 3 else f"jack-o'-lantern {label}"
    for label in range(1000)
]
NAMES[134] = NAMES[517] = "crane"
NAMES[638], NAMES[639] = "maillot", "maillot, tank suit"
DESCRIPTIONS = [f"a thing: number {label}, and `more'" for label in range(1000)]
WORDNET_IDS = [f"n{1_000_000 + 7 * label:08d}" for label in range(1000)]
SHARED = [134, 517, 638, 639]
FILES = [f"ILSVRC2012_val_{image:08d}.JPEG" for image in range(1, IMAGES + 1)]
WORDS: dict[str, list[str]] = {
    "name": WORDNET_IDS,
    "description": NAMES,
    "detailed": [f"{name}: {text}" for name, text in zip(NAMES, DESCRIPTIONS, strict=True)],
    "keras": [name.partition(", ")[0].replace(" ", "_") for name in NAMES],
    "torchvision": [name.partition(", ")[0] for name in NAMES],
}


def outputs(seed: int = 0, classes: int = 1000) -> Any:
    """Return probabilities (IMAGES, classes) whose five best are clear, and no shared names."""
    rng = np.random.default_rng(seed)
    values = rng.random((IMAGES, classes)).astype(np.float32)
    values[:, [label for label in SHARED if label < classes]] = 0
    return values / values.sum(axis=1, keepdims=True)


PROBABILITIES = outputs()
BEST = np.argsort(-PROBABILITIES, axis=1, kind="stable")


def frame(
    topk: int = 1,
    *,
    label_type: str = "description",
    include_index: bool = False,
    separate: bool = False,
    names: Mapping[str, str] = {},
) -> pd.DataFrame:
    """Return the frame that inference.py passes to save_results()."""
    column = {"filename": "filename", "index": "index", "label": "label", "prob": "prob", **names}
    held: dict[str, Any] = {column["filename"]: FILES}
    best = BEST[:, :topk]
    parts: dict[str, Any] = {}
    if topk and include_index:
        parts["index"] = best
    if topk and label_type != "none":
        parts["label"] = np.array(WORDS[label_type], object)[best]
    parts["prob"] = np.take_along_axis(PROBABILITIES, best, axis=1) if topk else PROBABILITIES
    for name, values in parts.items():
        if separate and parts["prob"].shape[1] > 1:
            held |= {f"{column[name]}_{i}": values[:, i] for i in range(values.shape[1])}
        else:
            held[column[name]] = list(values.squeeze(-1) if values.shape[1] == 1 else values)
    return pd.DataFrame(held)


def save(table: pd.DataFrame, path: Path, form: str) -> Path:
    """Write as save_results() does; json-record, which it does not know by that name, is csv."""
    path = path.with_suffix({"csv": ".csv", "parquet": ".parquet"}.get(form, ".json"))
    with np.printoptions(threshold=sys.maxsize):
        if form == "parquet":
            table.set_index("filename").to_parquet(path)
        elif form == "json":
            table.set_index("filename").to_json(path, indent=4, orient="index")
        elif form == "json-records":
            table.to_json(path, lines=True, orient="records")
        elif form == "json-split":
            table.to_json(path, indent=4, orient="split", index=False)
        else:
            table.to_csv(path, index=False)
    return path


FORMS = ["csv", "parquet", "json", "json-record", "json-records", "json-split"]


@pytest.fixture(scope="module")
def with_classes() -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection with the table `predictions`, empty, and the classes."""
    with duckdb.connect() as con:
        create_table(con, "predictions")
        create_table(con, "classes")
        rows = zip(range(1000), WORDNET_IDS, NAMES, DESCRIPTIONS, strict=True)
        columns = [list(column) for column in zip(*rows, strict=True)]
        con.execute(
            "insert into classes select unnest($1), unnest($2), unnest($3), unnest($4), "
            "unnest($1) < 398",
            columns,
        )
        yield con


@pytest.fixture
def con(with_classes: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Return the connection, without the predictions of the test before."""
    with_classes.execute("delete from predictions")
    return with_classes


def taken(con: duckdb.DuckDBPyConnection) -> list[Any]:
    return con.execute(
        "select image_id, rank, label, round(confidence, 5) from predictions order by all"
    ).fetchall()


def expected(topk: int) -> list[Any]:
    return [
        (image + 1, rank + 1, int(BEST[image, rank]), None)
        for image in range(IMAGES)
        for rank in range(topk)
    ]


def without_confidence(rows: list[Any]) -> list[Any]:
    return [(*row[:3], None) for row in rows]


def close(rows: list[Any], topk: int) -> bool:
    values = np.array([row[3] for row in rows]).reshape(IMAGES, topk)
    best = np.take_along_axis(PROBABILITIES, BEST[:, :topk], axis=1)
    return bool(np.allclose(values, best, atol=2e-5))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("separate", [False, True], ids=["", "separate"])
@pytest.mark.parametrize("topk", [1, 2, 5, 12])
@pytest.mark.parametrize(
    ("label_type", "include_index"),
    [
        ("none", True),
        ("name", False),
        ("description", False),
        ("detailed", False),
        ("description", True),
        ("keras", False),
        ("torchvision", False),
    ],
)
def test_every_shape(
    form: str,
    separate: bool,
    topk: int,
    label_type: str,
    include_index: bool,
    tmp_path: Path,
    con: duckdb.DuckDBPyConnection,
) -> None:
    table = frame(topk, label_type=label_type, include_index=include_index, separate=separate)
    path = save(table, tmp_path / "resnet50-224", form)
    assert predictions.add(con, path) == ["resnet50-224"]
    rows = taken(con)
    assert without_confidence(rows) == expected(topk)
    assert close(rows, topk)
    assert con.execute("select table_name from duckdb_tables() order by all").fetchall() == [
        ("classes",),
        ("predictions",),
    ]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("separate", [False, True], ids=["", "separate"])
@pytest.mark.parametrize("output", ["prob", "logit"])
def test_all_classes(
    form: str, separate: bool, output: str, tmp_path: Path, con: duckdb.DuckDBPyConnection
) -> None:
    """--topk 0: the number of a column, or the place in a cell, is the class."""
    path = save(frame(0, separate=separate, names={"prob": output}), tmp_path / "m", form)
    predictions.add(con, path)
    rows = taken(con)
    assert without_confidence(rows) == expected(5)
    assert close(rows, 5)


@pytest.mark.parametrize("form", ["csv", "json-split", "json-records"])
@pytest.mark.parametrize("separate", [False, True], ids=["", "separate"])
@pytest.mark.parametrize("topk", [0, 1, 5])
def test_columns_of_other_names(
    form: str, separate: bool, topk: int, tmp_path: Path, con: duckdb.DuckDBPyConnection
) -> None:
    names = {"filename": "Bild", "index": "class id", "prob": "p"}
    table = frame(topk, label_type="none", include_index=True, separate=separate, names=names)
    choices = {"image": "Bild", "label": "class id", "confidence": "p"}
    if topk == 0:
        del choices["label"]
    predictions.add(con, save(table, tmp_path / "m", form), columns=choices)
    assert without_confidence(taken(con)) == expected(topk or 5)


def refused(con: duckdb.DuckDBPyConnection, source: object, **options: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        predictions.add(con, source, **options)
    assert con.execute("select count(*) from predictions").fetchall() == [(0,)]
    assert con.execute("select view_name from duckdb_views() where not internal").fetchall() == []
    assert con.execute("select table_name from duckdb_tables() order by all").fetchall() == [
        ("classes",),
        ("predictions",),
    ]
    assert "\n" not in str(caught.value)
    return caught.value


def test_numpys_ellipsis_is_refused(tmp_path: Path, con: duckdb.DuckDBPyConnection) -> None:
    """Older versions of timm did not turn the ellipsis off."""
    with np.printoptions(threshold=4):
        frame(12, label_type="none", include_index=True).to_csv(tmp_path / "m.csv", index=False)
    error = refused(con, tmp_path / "m.csv")
    assert (error.file, error.value, error.count) == (str(tmp_path / "m.csv"), "...", 60)
    assert error.remedy
    assert "--results-format parquet" in error.remedy
    with np.printoptions(threshold=4):
        frame(0).to_csv(tmp_path / "m.csv", index=False)
    error = refused(con, tmp_path / "m.csv")
    assert (error.value, error.count) == ("...", 60)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("topk", [1, 5])
def test_no_classes(form: str, topk: int, tmp_path: Path, con: duckdb.DuckDBPyConnection) -> None:
    """--label-type none without --include-index: probabilities of nothing."""
    error = refused(con, save(frame(topk, label_type="none"), tmp_path / "m", form))
    assert error.remedy
    assert "--include-index" in error.remedy
    assert (error.column, error.count) in {("label", None), ("confidence", 5)}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("label_type", "label", "text", "meant"),
    [
        ("description", 517, "crane", ["134 (n01000938)", "517 ("]),
        ("torchvision", 639, "maillot", ["638 (n01004466)", "639 ("]),
    ],
)
def test_a_name_that_two_classes_share(
    form: str,
    label_type: str,
    label: int,
    text: str,
    meant: list[str],
    tmp_path: Path,
    con: duckdb.DuckDBPyConnection,
) -> None:
    table = frame(label_type=label_type)
    table.loc[2, "label"] = WORDS[label_type][label]
    error = refused(con, save(table, tmp_path / "m", form))
    assert (error.row, error.column, error.value, error.count) == (3, "label", text, 1)
    assert all(each in str(error) for each in meant)
    assert error.remedy
    assert "--include-index" in error.remedy
    table.insert(1, "index", [*BEST[:2, 0], label, *BEST[3:, 0]])
    predictions.add(con, save(table, tmp_path / "m", form))
    assert con.execute("select label from predictions where image_id = 3").fetchall() == [(label,)]


def test_a_short_name_beside_full_names_is_unambiguous(
    tmp_path: Path, con: duckdb.DuckDBPyConnection
) -> None:
    """'maillot' is the name of 638 and the first name of 639. Beside full names it means 638."""
    table = frame()
    table.loc[[2, 3], "label"] = [NAMES[638], NAMES[639]]
    predictions.add(con, save(table, tmp_path / "m", "csv"))
    found = con.execute("select label from predictions where image_id in (3, 4)").fetchall()
    assert found == [(638,), (639,)]


@pytest.mark.parametrize("odd", ["tench, Tinca tinca", "<unmapped:1000>", "5", "n0144076", ""])
def test_an_unknown_class_name_is_refused(
    odd: str, tmp_path: Path, con: duckdb.DuckDBPyConnection
) -> None:
    for label_type in ("name", "description", "detailed"):
        table = frame(label_type=label_type)
        table.loc[[4, 7], "label"] = odd
        error = refused(con, save(table, tmp_path / "m", "csv"))
        assert (error.row, error.column, error.count) == (5, "label", 2)
        assert (error.value or "").strip('"') == odd
        assert "2 of 60 rows" in str(error)


def test_words_among_numbers(con: duckdb.DuckDBPyConnection) -> None:
    table = pd.DataFrame({"filename": FILES[:3], "label": ["5", WORDNET_IDS[5], "6"]})
    error = refused(con, table)
    assert (error.row, error.column, error.value, error.count) == (1, "label", '"5"', 2)


def test_two_spellings_in_a_file(con: duckdb.DuckDBPyConnection) -> None:
    words = [WORDNET_IDS[5], WORDNET_IDS[6], NAMES[7]]
    error = refused(con, pd.DataFrame({"filename": FILES[:3], "label": words}))
    assert (error.row, error.column, error.value, error.count) == (3, "label", NAMES[7], 1)


def test_a_summary(tmp_path: Path, con: duckdb.DuckDBPyConnection) -> None:
    """validate.py --results-file: csv, or with a .json a list."""
    row = {"model": "resnet50", "top1": 80.1, "top1_err": 19.9, "top5": 95.0, "top5_err": 5.0}
    table = pd.DataFrame([{**row, "param_count": 25.56, "img_size": 224}])
    table.to_csv(tmp_path / "results.csv", index=False)
    table.to_json(tmp_path / "results.json", orient="records", indent=4)
    for name in ("results.csv", "results.json"):
        error = refused(con, tmp_path / name)
        assert (error.file, error.parameter) == (str(tmp_path / name), None)
        assert "validate.py" in error.message
        assert error.remedy
        assert "inference.py --include-index" in error.remedy


@pytest.mark.parametrize("classes", [1001, 21_841])
def test_a_head_of_another_size(classes: int, con: duckdb.DuckDBPyConnection) -> None:
    values = np.zeros((2, classes), np.float32)
    error = refused(con, pd.DataFrame({"filename": FILES[:2], "prob": list(values)}))
    assert (error.row, error.column, error.count) == (1, "confidence", classes)
    assert "1,000" in str(error)
    assert error.remedy
    assert ("ImageNet-21k" in error.remedy) == (classes == 21_841)
    assert ("1,001" in error.remedy) == (classes == 1001)


def test_nan_among_the_logits(con: duckdb.DuckDBPyConnection) -> None:
    values = PROBABILITIES.copy()
    values[3, 7] = np.nan
    error = refused(con, pd.DataFrame({"filename": FILES, "logit": list(values)}))
    assert (error.row, error.column, error.value, error.count) == (4, "confidence", "nan", 1)
    assert "class 7 " in str(error)
    assert FILES[3] in str(error)
    last = pd.DataFrame({"filename": FILES[::-1], "logit": list(values[::-1])})
    error = refused(con, last)
    assert error.row == len(FILES) - 3
    assert FILES[3] in str(error)


def test_a_series_with_a_gap(con: duckdb.DuckDBPyConnection) -> None:
    table = frame(5, include_index=True, separate=True).drop(columns="index_2")
    error = refused(con, table)
    assert (error.column, error.value, error.count) == ("label", "index_2", 1)
    assert "index_0 to index_4" in str(error)


def test_a_list_and_a_rank(con: duckdb.DuckDBPyConnection) -> None:
    table = frame(5, include_index=True).assign(rank=1)
    assert refused(con, table).column == "rank"


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, dict[int, list[int]], bool]:
    """Draw a csv of a few images' top-k, damaged or not, and what is in it if it is read.

    The last value is whether it must be read: nothing is wrong with it.
    """
    topk = draw(st.integers(1, 5))
    images = draw(st.lists(st.integers(1, 50_000), min_size=1, max_size=5))
    lowest, highest = draw(st.sampled_from([(0, 999), (-1, 1001)]))
    label = st.integers(lowest, highest)
    labels = [draw(st.lists(label, min_size=topk, max_size=topk)) for _ in images]
    how = draw(st.sampled_from(["numpy", "list", "separate", "long"]))
    words = draw(st.sampled_from([None, "name", "description"]))

    def shown(label: int) -> Any:
        return WORDS[words][label] if words and 0 <= label < 1000 else label

    table: dict[str, Any] = {"filename": [f"ILSVRC2012_val_{image:08d}.JPEG" for image in images]}
    if how == "long":
        table = {
            "filename": [name for name in table["filename"] for _ in range(topk)],
            "rank": [rank for _ in images for rank in range(1, topk + 1)],
            "label": [shown(label) for row in labels for label in row],
        }
    elif how == "separate" and topk > 1:
        table |= {f"label_{i}": [shown(row[i]) for row in labels] for i in range(topk)}
    elif how == "numpy":
        table["label"] = [
            np.array([shown(label) for label in row], object if words else int) for row in labels
        ]
    else:
        table["label"] = [[shown(label) for label in row] for row in labels]
    text = io.StringIO()
    pd.DataFrame(table).to_csv(text, index=False)
    content = text.getvalue().encode()
    cut = draw(st.just(0) | st.integers(0, 40))
    is_right = not cut and len(set(images)) == len(images)
    for row in labels:
        is_right &= len(set(row)) == topk and all(0 <= k < 1000 and k not in SHARED for k in row)
    return content[: len(content) - cut], dict(zip(images, labels, strict=True)), is_right


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(files())
def test_values_are_read_correctly_or_refused(
    tmp_path: Path, con: duckdb.DuckDBPyConnection, drawn: tuple[bytes, dict[int, list[int]], bool]
) -> None:
    content, meant, is_right = drawn
    path = tmp_path / "m.csv"
    path.write_bytes(content)
    con.execute("delete from predictions")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            predictions.add(con, path)
        except DataError as error:
            assert not is_right, str(error)
            assert "\n" not in str(error)
            return
    rows = taken(con)
    whole = not any("m.csv" in str(warning.message) for warning in said)
    assert whole == content.endswith(b"\n")
    last = int(content.rpartition(b"val_")[2][:8])  # a number cut short is one, too
    for image, rank, label, _ in rows:
        assert (image == last and not whole) or label == meant[image][rank - 1]
