"""Text files in many layouts: each is read like the plain csv, or refused."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns import number
from realdb.errors import DataError
from realdb.ingest import layout, predictions
from realdb.schema.tables import create_table
from refusals import refused

IMAGES = 50_000
NAMES = [f"ILSVRC2012_val_{image:08d}.JPEG" for image in (3, 41_000, 7, 1200, 50_000)]
LABELS = [0, 999, 17, 17, 281]
CONFIDENCES = ["0.95", "1e-05", "1", "0.5", "0.125"]
EXPECTED = [
    (int(name[15:23]), label, float(confidence))
    for name, label, confidence in zip(NAMES, LABELS, CONFIDENCES, strict=True)
]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"]
SEPARATORS = [",", "\t", ";", "|", " ", "   "]


@functools.cache
def connection() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    create_table(con, "predictions")
    return con


def taken(path: Path, **how: Any) -> list[tuple[int, int, float | None]]:
    con = connection()
    con.execute("delete from predictions")
    predictions.add(con, path, **how)
    return con.execute("select image_id, label, confidence from predictions").fetchall()


def text_of(
    separator: str,
    *,
    header: str | None = "file_name,label,confidence",
    quote: str = "",
    above: str = "",
    between: str = "",
    end: str = "\n",
    comma: str = ".",
) -> str:
    """Return the rows as text; `above` is before it all, `between` after the first row."""
    rows = [header.split(",")] if header else []
    rows += [
        [name, str(label), confidence.replace(".", comma)]
        for name, label, confidence in zip(NAMES, LABELS, CONFIDENCES, strict=True)
    ]
    lines = [separator.join(f"{quote}{cell}{quote}" for cell in row) for row in rows]
    place = 2 if header else 1
    body = "".join(line + "\n" for line in lines[:place]) + between
    body += "".join(line + "\n" for line in lines[place:])
    return (above + body).replace("\n", end)


MIXTURES = list(
    itertools.product(
        ["file_name,label,confidence", "Image,PRED,prob", None],
        ["", '"', "'"],
        ["", "# model: ViT, 2021\n%\n// a note\n", "\n\n", "Predictions:\n\n"],
        ["", "# a note, and another\n", "\n"],
        ["\n", "\r\n", "\r"],
    )
)


@pytest.mark.cases(15)
@pytest.mark.parametrize("place", range(len(ENCODINGS) * len(SEPARATORS)))
def test_every_mixture(place: int, tmp_path: Path) -> None:
    """Every separator in every encoding, combined with a part of the 324 other mixtures."""
    path = tmp_path / "mine.csv"
    encoding = ENCODINGS[place % len(ENCODINGS)]
    separator = SEPARATORS[place // len(ENCODINGS)]
    for header, quote, above, between, end in MIXTURES[place :: len(ENCODINGS) * len(SEPARATORS)]:
        text = text_of(separator, header=header, quote=quote, above=above, between=between, end=end)
        path.write_bytes(text.encode(encoding))
        assert taken(path) == EXPECTED, text


@pytest.mark.parametrize("separator", [";", "\t", "|"])
@pytest.mark.parametrize("header", ["file_name,label,confidence", None])
def test_decimal_commas(separator: str, header: str | None, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text_of(separator, header=header, comma=","), encoding="utf-8")
    assert taken(path) == EXPECTED


def test_decimal_commas_in_quotes(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text_of(",", quote='"', comma=","), encoding="utf-8")
    assert taken(path) == EXPECTED


def test_a_list_of_two_classes_is_no_decimal_number(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("file_name;label\n1;7,12\n", encoding="utf-8")
    assert layout.detect(path).decimal_commas(None) == []


@pytest.mark.parametrize("line", ["sep=;\n", '"sep=;"\n', "SEP=;\r\n"])
def test_excels_sep_line_sets_the_separator(line: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(line + text_of(";"), encoding="utf-8", newline="")
    assert taken(path) == EXPECTED


@pytest.mark.parametrize(
    ("text", "names", "separator"),
    [
        ("ILSVRC2012_val_00000001.JPEG 65\n", 2, " "),
        ("ILSVRC2012_val_00000001.JPEG,5 7 8\nILSVRC2012_val_00000002.JPEG,5 7 9\n", 2, ","),
        (
            "5 7 8,val/ILSVRC2012_val_00000001.JPEG\n5 7 9,val/ILSVRC2012_val_00000002.JPEG\n",
            2,
            ",",
        ),
        ("file name,predicted class,label\n1,5,7\n", 3, ","),
        ("1;7;0,95\n2;8;0,5\n", 3, ";"),
        ('image\tlabel\n1\ttench, Tinca tinca\n2\t"goldfish, Carassius auratus"\n', 2, "\t"),
        ("tench, Tinca tinca\nambulance\ngreat white shark, white shark\n", 1, None),
        ("39\n7\n", 1, None),
        ("predicted_class\n39\n7\n", 1, None),
        ("3.9 4.1 7.2\n1.1 2.2 3.3\n", 3, " "),
    ],
)
def test_the_separator(text: str, names: int, separator: str | None, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text, encoding="utf-8")
    found = layout.detect(path)
    assert (len(found.names), found.separator) == (names, separator)


@pytest.mark.parametrize(
    ("text", "header_line", "first_line"),
    [
        ("image,label\n1,2\n", 1, 2),
        ("# a\n\nimage,label\n\n1,2\n", 3, 5),
        ("1,2\n3,4\n", None, 1),
        ("# a\n1,2\n3,4\n", None, 2),
        ("A title\nimage,label\n1,2\n", 2, 3),
        ("A title, of two parts\nimage,label\n1,2\n", 2, 3),
        ("A title,\nimage,label\n1,2\n", 2, 3),
        ("# image,label\n1,2\n3,4\n", None, 2),
        ('"image\nname",label\n1,2\n', 1, 3),
        ("0,1\nILSVRC2012_val_00000001.JPEG,2\n", 1, 2),
    ],
)
def test_first_row_is_found(
    text: str, header_line: int | None, first_line: int, tmp_path: Path
) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text, encoding="utf-8")
    found = layout.detect(path)
    assert (found.header_line, found.first_line) == (header_line, first_line)


def test_a_header_in_a_comment_is_read(tmp_path: Path) -> None:
    """numpy.savetxt writes it so. The order of the columns is not the usual one."""
    path = tmp_path / "mine.csv"
    path.write_text("# label image\n5 7\n6 8\n", encoding="utf-8")
    assert taken(path) == [(7, 5, None), (8, 6, None)]


@pytest.mark.parametrize(
    "text",
    [
        "{1},{0}\n",
        "{0},{1},{2}\n",
        "{2},{1},{0}\n",
        "{0},{2},{1}\n",
        "{0} {1}\n",
        "ViT;{0};{1}\n",
    ],
)
def test_columns_are_found_by_content_without_a_header(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    rows = zip(NAMES, LABELS, CONFIDENCES, strict=True)
    path.write_text("".join(text.format(*row) for row in rows), encoding="utf-8")
    assert [row[:2] for row in taken(path)] == [row[:2] for row in EXPECTED]


@pytest.mark.parametrize(
    "text",
    [
        "0,1\n{rows}",
        ",0,1\n{indexed}",
        "V1,V2\n{rows}",
        "| file_name | label |\n|:---|---:|\n{ruled}",
        " file_name | label \n-----+-----\n{barred}",
    ],
    ids=["pandas", "pandas' index", "R", "Markdown", "a database's shell"],
)
def test_meaningless_names_and_drawn_tables(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    pairs = list(zip(NAMES, LABELS, strict=True))
    rows = {
        "rows": "".join(f"{name},{label}\n" for name, label in pairs),
        "indexed": "".join(f"{i},{name},{label}\n" for i, (name, label) in enumerate(pairs)),
        "ruled": "".join(f"| {name} | {label} |\n" for name, label in pairs),
        "barred": "".join(f" {name} | {label}\n" for name, label in pairs),
    }
    path.write_text(text.format(**rows), encoding="utf-8")
    assert [row[:2] for row in taken(path)] == [row[:2] for row in EXPECTED]


@pytest.mark.parametrize("ranks", [1, 5])
def test_numpys_savetxt_without_a_format(ranks: int, tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    rows = [[(image * 7 + rank) % 1000 for rank in range(ranks)] for image in range(IMAGES)]
    text = "".join(" ".join(f"{label:.18e}" for label in row) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
    found = taken(path)
    assert [label for _, label, _ in found] == [label for row in rows for label in row]


@pytest.mark.parametrize("is_label_first", [False, True])
def test_image_numbers_without_a_header(is_label_first: bool, tmp_path: Path) -> None:
    """Numbers beyond the classes, each once, that do not count the rows."""
    rows = [(int(name[15:23]), label) for name, label in zip(NAMES, LABELS, strict=True)]
    lines = [f"{b},{a}\n" if is_label_first else f"{a},{b}\n" for a, b in rows]
    (tmp_path / "mine.csv").write_text("".join(lines), encoding="utf-8")
    assert [row[:2] for row in taken(tmp_path / "mine.csv")] == rows


def test_the_first_line_is_data_with_chosen_columns(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    rows = zip(NAMES, LABELS, LABELS[::-1], strict=True)
    path.write_text("".join(f"{a},{b},{c}\n" for a, b, c in rows), encoding="utf-8")
    found = taken(path, columns={"image": "column_1", "label": "column_2"})
    assert [row[:2] for row in found] == [row[:2] for row in EXPECTED]


def test_two_columns_that_could_be_the_label(tmp_path: Path, refuse: Callable[..., Any]) -> None:
    path = tmp_path / "mine.csv"
    rows = zip(NAMES, LABELS, LABELS[::-1], strict=True)
    path.write_text("".join(f"{a},{b},{c}\n" for a, b, c in rows), encoding="utf-8")
    error = refuse(path)
    assert (error.column, error.parameter) == ("label", "columns")
    assert "column_2" in str(error)
    assert "column_3" in str(error)


@pytest.mark.cases(5)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("header", ["", "label\n", "# ids\n"])
def test_a_label_per_line(encoding: str, header: str, end: str, tmp_path: Path) -> None:
    """50,000 lines are the images in their order."""
    path = tmp_path / "labels.txt"
    labels = [image * 7 % 1000 for image in range(IMAGES)]
    text = (header + "".join(f"{label}\n" for label in labels)).replace("\n", end)
    path.write_bytes(text.encode(encoding))
    assert [row[:2] for row in taken(path)] == list(zip(range(1, 50_001), labels, strict=True))


def test_a_label_per_line_in_another_order(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("".join(f"{NAMES[0][:15]}{i:08d}\n" for i in range(IMAGES, 0, -1)), "utf-8")
    path = tmp_path / "labels.txt"
    path.write_text("".join(f"{image % 1000}\n" for image in range(IMAGES, 0, -1)), "utf-8")
    assert all(image % 1000 == label for image, label, _ in taken(path, order=names))


def test_five_labels_per_line(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    rows = (
        " ".join(str((image * 7 + rank) % 1000) for rank in range(5)) for image in range(IMAGES)
    )
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    found = taken(path)
    assert len(found) == 5 * IMAGES
    assert found[:6] == [*((1, label, None) for label in range(5)), (2, 7, None)]


@pytest.mark.parametrize("rows", [49_999, 50_001, 3])
def test_too_few_labels_without_names(
    rows: int, tmp_path: Path, refuse: Callable[..., Any]
) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("7\n" * rows, encoding="utf-8")
    error = refuse(path)
    assert (error.file, error.count, error.column) == (str(path), rows, "image")


def test_image_names_alone(tmp_path: Path, refuse: Callable[..., Any]) -> None:
    path = tmp_path / "names.txt"
    path.write_text("\n".join(NAMES) + "\n", encoding="utf-8")
    assert (refuse(path).column, refuse(path).value) == ("label", NAMES[0])


@pytest.mark.parametrize(("between", "value"), [("->", "->5"), (": ", ":"), ("=", "=5")])
def test_a_separator_that_is_unknown(
    between: str, value: str, tmp_path: Path, refuse: Callable[..., Any]
) -> None:
    path = tmp_path / "names.txt"
    path.write_text("".join(f"{name}{between}5\n" for name in NAMES), encoding="utf-8")
    assert refuse(path).value == NAMES[0] + value


@pytest.mark.parametrize(
    ("content", "value", "line", "offset"),
    [
        (b"image,label\n1,2\n2,\xe9\n", "0xe9", 3, 18),
        (b"image,label\n" + b"1,2\n" * 40_000 + b"2,\xe9\n", "0xe9", 40_002, 160_014),
        ("image,label\n1,2\n".encode("utf-16") + b"\x00\xd8\n", "0x00", 3, 34),
    ],
)
def test_bytes_that_are_no_text(
    content: bytes,
    value: str,
    line: int,
    offset: int,
    tmp_path: Path,
    refuse: Callable[..., Any],
) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    error = refuse(path)
    assert (error.file, error.value) == (str(path), value)
    assert f"line {line:,} " in str(error)
    assert f"{offset:,}" in str(error)
    assert "UTF-8" in error.remedy


@pytest.mark.parametrize("separator", [",", " "])
@pytest.mark.parametrize("cells", ["1", "1,2,3", '1,"2'])
def test_a_line_with_another_number_of_cells(
    cells: str, separator: str, tmp_path: Path, refuse: Callable[..., Any]
) -> None:
    path = tmp_path / "mine.csv"
    text = "# ViT\nimage,label\n1,2\n2,3\n" + cells + "\n5,6\n"
    path.write_text(text.replace(",", separator), encoding="utf-8")
    assert refuse(path).file == str(path)


@pytest.mark.parametrize("text", ["\n\n", "# nothing\n", "sep=;\n", "image,label\n"])
def test_no_rows(text: str, tmp_path: Path, refuse: Callable[..., Any]) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text, encoding="utf-8")
    assert refuse(path).count == 0


@pytest.mark.parametrize("place", ["last", "last, open", "middle", "first"])
@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("size", [1_100_000, 3_000_000])
def test_a_line_that_is_too_long(
    size: int, quoted: bool, place: str, tmp_path: Path, refuse: Callable[..., Any]
) -> None:
    """DuckDB would silently leave out the last line."""
    path = tmp_path / "mine.csv"
    cell = '"' + "x" * size + '"' if quoted else "x" * size
    rows = [f"{image},{image % 1000},a" for image in range(1, 100_001)]
    number = {"last": 100_000, "last, open": 100_000, "middle": 50_000, "first": 0}[place]
    rows.insert(number, f"7,8,{cell}")
    text = "image,label,note\n" + "\n".join(rows) + ("" if place == "last, open" else "\n")
    path.write_text(text, encoding="utf-8")
    error = refuse(path)
    assert error.file == str(path)
    assert f"line {number + 2:,} " in str(error)


def test_a_long_cell_with_line_breaks(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    for text in ('image,label,note\n1,2,a\n3,4,"{}"\n', 'image,label,note\n3,4,"{}"\n1,2,a\n'):
        path.write_text(text.format("x\n" * 1_500_000), encoding="utf-8")
        assert sorted(row[:2] for row in taken(path)) == [(1, 2), (3, 4)]


@pytest.mark.parametrize("count", [10_001, 100_000])
def test_too_many_columns(count: int, tmp_path: Path, refuse: Callable[..., Any]) -> None:
    path = tmp_path / "mine.csv"
    names = ",".join(f"c{number}" for number in range(count))
    path.write_text(f"{names}\n{'1,' * (count - 1)}1\n", encoding="utf-8")
    error = refuse(path)
    assert (error.file, error.count) == (str(path), count)


@pytest.mark.parametrize("form", ["csv", "tsv"])
def test_chosen_format_sets_the_separator(form: str, tmp_path: Path) -> None:
    path = tmp_path / "mine"
    other = {"csv": "\t", "tsv": ","}[form]
    path.write_text(text_of(other), encoding="utf-8")
    with refused(DataError):
        taken(path, input_format=form)
    path.write_text(text_of({"csv": ",", "tsv": "\t"}[form]), encoding="utf-8")
    assert taken(path, input_format=form) == EXPECTED


RELAXED = settings(
    max_examples=number(25, 2000, more=60),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
IMAGE_NAMES = ["image", "file_name", "Filename", "path", "image name", None]
LABEL_NAMES = ["label", "predicted_class", "PRED", "my label", None]


@RELAXED
@given(data=st.data())
def test_plain_rows_are_read_or_refused(data: st.DataObject, tmp_path: Path) -> None:
    """Any mixture is read correctly or refused; a refusal names the file and a remedy."""
    draw = data.draw
    images = draw(st.lists(st.integers(1, 50_000), min_size=1, max_size=6, unique=True))
    write = draw(
        st.sampled_from([str, "ILSVRC2012_val_{:08d}.JPEG".format, "a b/{:08d}.png".format])
    )
    rows = [[write(image), str(draw(st.integers(0, 999)))] for image in images]
    expected = [(image, int(row[1])) for image, row in zip(images, rows, strict=True)]
    if draw(st.booleans()):
        rows = [[*row, draw(st.sampled_from(["0.5", "1e-7", "1", "0,25"]))] for row in rows]
    names = [draw(st.sampled_from(IMAGE_NAMES)), draw(st.sampled_from(LABEL_NAMES)), "score"]
    if all(names):
        rows = [names[: len(rows[0])], *rows]
    order = draw(st.permutations(range(len(rows[0]))))
    separator = draw(st.sampled_from([*SEPARATORS, ":"]))
    quote = draw(st.sampled_from(["", '"', "'"]))
    lines = [separator.join(f"{quote}{row[place]}{quote}" for place in order) for row in rows]
    odd = st.sampled_from(["# a, b", "// c", "", "  ", "A title", "a;b,c", "%"])
    for _ in range(draw(st.integers(0, 3))):
        lines.insert(draw(st.integers(0, len(lines))), draw(odd))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    content = (end.join(lines) + end).encode(draw(st.sampled_from([*ENCODINGS, "latin-1"])))
    path = tmp_path / "mine.txt"
    path.write_bytes(content)
    try:
        found = taken(path)
    except DataError as error:
        assert error.file == str(path)
        assert "\n" not in str(error)
    else:
        assert [row[:2] for row in found] == expected, content
