"""JSON in many shapes: each is read like the plain rows, or refused."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from connections import empty_connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns import number
from realdb.errors import DataError
from realdb.ingest import predictions
from realdb.schema.tables import create_table
from refusals import refused


class Image(NamedTuple):
    """The predictions for an image: the choices with their scores, in the order of the file."""

    name: str
    labels: list[int]
    scores: list[float]


class Shape(NamedTuple):
    """A shape, and what it holds: the first choice or all, their scores, their order."""

    write: Callable[[list[Image]], Any]
    is_top: bool = False
    has_scores: bool = True
    is_sorted: bool = True


Row = tuple[int, int, int, float | None]
TOP = {"is_top": True}
TOP_BARE = {"is_top": True, "has_scores": False}
BARE = {"has_scores": False, "is_sorted": False}
PARALLEL = {"is_sorted": False}


def pairs(image: Image) -> list[tuple[int, float]]:
    return list(zip(image.labels, image.scores, strict=True))


def objects(image: Image, label: str = "label", score: str = "score") -> list[dict[str, Any]]:
    return [{score: p, label: str(j)} for j, p in pairs(image)]


def triples(image: Image) -> list[list[Any]]:
    """Write as Keras' decode_predictions does; WordNet ids stand for the class ids."""
    return [[str(j), f"name of {j}", p] for j, p in pairs(image)]


def columns(images: list[Image]) -> dict[str, list[Any]]:
    return {
        "file_name": [image.name for image in images],
        "label": [image.labels[0] for image in images],
        "score": [image.scores[0] for image in images],
    }


def records(images: list[Image]) -> list[dict[str, Any]]:
    names = columns(images)
    return [dict(zip(names, row, strict=True)) for row in cells(images)]


def cells(images: list[Image]) -> list[list[Any]]:
    return [list(row) for row in zip(*columns(images).values(), strict=True)]


def by_name(images: list[Image], of: Callable[[Image], Any]) -> dict[str, Any]:
    return {image.name: of(image) for image in images}


def by_row(images: list[Image]) -> dict[str, dict[str, Any]]:
    return {
        name: {str(row): value for row, value in enumerate(values)}
        for name, values in columns(images).items()
    }


def fiftyone(image: Image, several: bool = False) -> dict[str, Any]:
    made = [
        {
            "_id": {"$oid": "5ecdd7f58efd8c18fcea4073"},
            "_cls": "Classification",
            "tags": [],
            "label": str(j),
            "confidence": p,
            "logits": None,
        }
        for j, p in pairs(image)
    ]
    return {
        "_id": {"$oid": "5ecdd7f58efd8c18fcea4074"},
        "filepath": f"/data/val/{image.name}",
        "tags": ["validation"],
        "metadata": {"_cls": "ImageMetadata", "size_bytes": 1, "width": 500, "height": 375},
        "ground_truth": {"_cls": "Classification", "label": "7", "confidence": None},
        "predictions": {"_cls": "Classifications", "classifications": made} if several else made[0],
    }


def coco(images: list[Image], **more: Any) -> dict[str, Any]:
    return {
        "info": {"year": 2026},
        "images": [{"id": 70 + n, "file_name": image.name} for n, image in enumerate(images)],
        **more,
        "predictions": [
            {"image_id": 70 + n, "category_id": image.labels[0] + len(more), "score": p}
            for n, image in enumerate(images)
            for p in image.scores[:1]
        ],
    }


def paddle(image: Image) -> dict[str, Any]:
    return {
        "class_ids": image.labels,
        "scores": image.scores,
        "file_name": image.name,
        "label_names": [f"name of {j}" for j in image.labels],
    }


def mmpretrain(image: Image) -> dict[str, Any]:
    return {
        "img_path": image.name,
        "pred_label": image.labels[0],
        "pred_score": image.scores[0],
        "pred_class": f"name of {image.labels[0]}",
    }


def plural(images: list[Image], **more: Any) -> dict[str, Any]:
    return {
        "filenames": [image.name for image in images],
        "predictions": [image.labels[0] for image in images],
        "probs": [image.scores[0] for image in images],
        **more,
    }


META = {"model": "vit", "accuracy": 0.8, "classes": ["tench", "goldfish"], "args": {"lr": 0.1}}

SHAPES: dict[str, Shape] = {
    "records": Shape(records, **TOP),
    "split": Shape(lambda r: {"columns": list(columns(r)), "index": [0], "data": cells(r)}, **TOP),
    "split by name": Shape(
        lambda r: {
            "columns": ["label"],
            "index": [image.name for image in r],
            "data": [[image.labels[0]] for image in r],
        },
        **TOP_BARE,
    ),
    "index": Shape(lambda r: {str(n): each for n, each in enumerate(records(r))}, **TOP),
    "index by name": Shape(
        lambda r: by_name(r, lambda i: {"label": i.labels[0], "score": i.scores[0]}), **TOP
    ),
    "columns": Shape(by_row, **TOP),
    "columns by name": Shape(
        lambda r: {
            "label": by_name(r, lambda i: i.labels[0]),
            "score": by_name(r, lambda i: i.scores[0]),
        },
        **TOP,
    ),
    "values": Shape(cells, **TOP),
    "table": Shape(
        lambda r: {
            "schema": {"fields": [{"name": "label", "type": "integer"}], "primaryKey": ["index"]},
            "data": [{"index_": n, **each} for n, each in enumerate(records(r))],
        },
        **TOP,
    ),
    "lists": Shape(columns, **TOP),
    "lists and metadata": Shape(lambda r: {**META, **columns(r), "time": [1.5, 2] * 99}, **TOP),
    "lists of ranks": Shape(
        lambda r: {
            "file_name": [image.name for image in r],
            "label": [image.labels for image in r],
            "score": [image.scores for image in r],
        },
        **PARALLEL,
    ),
    "results": Shape(lambda r: {**META, "results": records(r)}, **TOP),
    "data.predictions": Shape(
        lambda r: {"info": META, "data": {"predictions": records(r), "n": len(r)}}, **TOP
    ),
    "predictions by name": Shape(
        lambda r: {**META, "predictions": by_name(r, lambda i: i.labels[0])}, **TOP_BARE
    ),
    "by name": Shape(lambda r: by_name(r, lambda i: i.labels[0]), **TOP_BARE),
    "by name, ids": Shape(lambda r: by_name(r, lambda i: i.labels), **BARE),
    "by name, pair": Shape(lambda r: by_name(r, lambda i: [i.labels[0], i.scores[0]]), **TOP),
    "by name, pairs": Shape(lambda r: by_name(r, lambda i: [list(p) for p in pairs(i)])),
    "by name, pairs the other way": Shape(
        lambda r: by_name(r, lambda i: [[p, j] for j, p in pairs(i)])
    ),
    "by name, objects": Shape(lambda r: by_name(r, objects)),
    "by name, by class": Shape(lambda r: by_name(r, lambda i: dict(pairs(i)))),
    "by name, triples": Shape(lambda r: by_name(r, triples)),
    "by name, batches of triples": Shape(lambda r: by_name(r, lambda i: [triples(i)])),
    "by name, an object with objects": Shape(
        lambda r: by_name(r, lambda i: {"predictions": objects(i), "time": 0.1})
    ),
    "by name, two lists": Shape(
        lambda r: by_name(r, lambda i: {"label": i.labels, "score": i.scores}), **PARALLEL
    ),
    "pipeline records": Shape(lambda r: [{"file": i.name, "predictions": objects(i)} for i in r]),
    "records with one object": Shape(
        lambda r: [{"file": i.name, "pred": objects(i, "class_id", "prob")[0]} for i in r], **TOP
    ),
    "records with scores by class": Shape(
        lambda r: [{"image": i.name, "probs": dict(pairs(i))} for i in r]
    ),
    "records with ranked objects": Shape(
        lambda r: [
            {
                "image": i.name,
                "top": [
                    {"rank": n, "label": j, "score": p} for n, (j, p) in enumerate(pairs(i), 1)
                ][::-1],
            }
            for i in r
        ],
        **PARALLEL,
    ),
    "rows with objects": Shape(lambda r: [[i.name, objects(i)] for i in r]),
    "rows with two lists": Shape(lambda r: [[i.name, i.labels, i.scores] for i in r], **PARALLEL),
    "batches": Shape(lambda r: [records(r[:1]), records(r[1:])], **TOP),
    "batches by name": Shape(
        lambda r: [by_name(part, lambda i: i.labels[0]) for part in (r[:1], r[1:])], **TOP_BARE
    ),
    "fiftyone": Shape(lambda r: {"name": "x", "samples": [fiftyone(i) for i in r]}, **TOP),
    "fiftyone, several": Shape(lambda r: {"samples": [fiftyone(i, several=True) for i in r]}),
    "coco": Shape(coco, **TOP),
    "coco with categories": Shape(
        lambda r: coco(
            r, categories=[{"id": n + 1, "name": str(n), "supercategory": "x"} for n in range(1000)]
        ),
        **TOP,
    ),
    "coco results": Shape(
        lambda r: [
            {"image_id": number_of(i), "category_id": i.labels[0], "score": i.scores[0]} for i in r
        ],
        **TOP,
    ),
    "PaddleClas": Shape(lambda r: [paddle(image) for image in r], **PARALLEL),
    "mmpretrain": Shape(lambda r: [mmpretrain(image) for image in r], **TOP),
    "mmpretrain with all scores": Shape(
        lambda r: [{**mmpretrain(image), "pred_scores": [0.5] * 1000} for image in r], **TOP
    ),
    "plural names": Shape(plural, **TOP),
    "zero-shot pipeline": Shape(
        lambda r: [{"image": i.name, "labels": i.labels, "scores": i.scores} for i in r], **PARALLEL
    ),
}


def number_of(image: Image) -> int:
    return int(image.name.removeprefix("ILSVRC2012_val_").partition(".")[0])


def expected(images: list[Image], shape: Shape) -> list[Row]:
    """Return the rows that a plain file of the same predictions has."""
    rows: list[Row] = []
    for image in images:
        choices = pairs(image)[:1] if shape.is_top else pairs(image)
        if shape.is_sorted and not shape.is_top:
            choices.sort(key=lambda choice: -choice[1])
        for rank, (label, score) in enumerate(choices, 1):
            rows.append((number_of(image), rank, label, score if shape.has_scores else None))
    return sorted(rows)


def taken(content: str | bytes, path: Path, **how: Any) -> list[Row]:
    """Return the rows that are read of a file with this content."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with empty_connection() as con:
        create_table(con, "predictions")
        predictions.add(con, path, **how)
        return con.execute(
            "select image_id, rank, label, confidence from predictions order by all"
        ).fetchall()


GIVEN = [
    Image("ILSVRC2012_val_00000293.JPEG", [394, 7, 0], [0.25, 0.625, 0.125]),
    Image("ILSVRC2012_val_00000012.JPEG", [1, 999, 2], [0.5, 0.0, 1e-7]),
    Image("ILSVRC2012_val_00050000.JPEG", [5, 4, 3], [0.75, 0.125, 0.125]),
]


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_is_read(name: str, tmp_path: Path) -> None:
    shape = SHAPES[name]
    ranks = "as-written" if "ranked objects" in name else None
    images = GIVEN
    if not shape.is_sorted and shape.has_scores:  # ranks that the scores do not contradict
        images = [image._replace(scores=sorted(image.scores, reverse=True)) for image in GIVEN]
    content = json.dumps(shape.write(images))
    assert taken(content, tmp_path / "a.json", ranks=ranks) == expected(images, shape)


@st.composite
def sets(draw: st.DrawFn) -> list[Image]:
    """Draw the choices of a few images; scores may be equal, and are in no order."""
    numbers = draw(st.lists(st.integers(1, 50_000), min_size=1, max_size=4, unique=True))
    k = draw(st.integers(1, 5))
    scores = st.floats(0, 1) | st.sampled_from([0.0, 1.0, 0.5])
    return [
        Image(
            f"ILSVRC2012_val_{number:08d}.JPEG",
            draw(st.lists(st.integers(0, 999), min_size=k, max_size=k, unique=True)),
            draw(st.lists(scores, min_size=k, max_size=k)),
        )
        for number in numbers
    ]


@settings(
    max_examples=number(20, 1000, more=50),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    name=st.sampled_from(sorted(SHAPES)),
    images=sets(),
    indent=st.sampled_from([None, 1]),
    encoding=st.sampled_from(["utf-8", "utf-16", "utf-8-sig"]),
)
def test_a_shape_is_read_or_refused(
    name: str, images: list[Image], indent: int | None, encoding: str, tmp_path: Path
) -> None:
    content = json.dumps(SHAPES[name].write(images), indent=indent).encode(encoding)
    try:
        rows = taken(content, tmp_path / "a.json")
    except DataError as error:
        assert "\n" not in str(error)
        return
    assert rows == expected(images, SHAPES[name])


@pytest.mark.parametrize("name", ["records", "pipeline records", "rows with objects", "values"])
def test_a_shape_per_line(name: str, tmp_path: Path) -> None:
    lines = "\n".join(map(json.dumps, SHAPES[name].write(GIVEN)))
    for content in (lines, lines + "\n\n", lines.replace("\n", " "), lines.encode("utf-16")):
        assert taken(content, tmp_path / "a.json") == expected(GIVEN, SHAPES[name])


ARRAYS: dict[str, tuple[Callable[[int], Any], Callable[[int], list[tuple[int, float | None]]]]] = {
    "ids": (lambda n: n % 1000, lambda n: [(n % 1000, None)]),
    "ranks": (
        lambda n: [n % 1000, 999 - n % 500],
        lambda n: [(n % 1000, None), (999 - n % 500, None)],
    ),
    "objects": (
        lambda n: [{"label": str(n % 1000), "score": 0.25}],
        lambda n: [(n % 1000, 0.25)],
    ),
    "by class": (lambda n: {str(n % 1000): 0.25}, lambda n: [(n % 1000, 0.25)]),
}


@pytest.mark.cases(3)
@pytest.mark.parametrize(("name", "wrap"), [*itertools.product(ARRAYS, [False, True])])
def test_an_array(name: str, wrap: bool, tmp_path: Path) -> None:
    """The array has one value for each of the 50,000 images, in an `order`."""
    write, choices = ARRAYS[name]
    order = tmp_path / "order.txt"
    names = [f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(50_000, 0, -1)]
    order.write_text("\n".join(names), encoding="utf-8")
    values: Any = [write(n) for n in range(50_000)]
    content = json.dumps({**META, "predictions": values} if wrap else values)
    for how in ({}, {"order": order}):
        rows = sorted(
            (50_000 - n if how else n + 1, rank, label, score)
            for n in range(50_000)
            for rank, (label, score) in enumerate(choices(n), 1)
        )
        assert taken(content, tmp_path / "a.json", **how) == rows


def test_records_without_images_need_an_order(tmp_path: Path) -> None:
    values = [{"pred_label": n % 1000, "pred_score": 0.5, "pred_class": "x"} for n in range(50_000)]
    by_column = {name: [each[name] for each in values] for name in values[0]}
    for content in (values, by_column, {"accuracy_top-1": 79.2, **by_column}):
        text = json.dumps(content)
        with refused(DataError, column="image"):
            taken(text, tmp_path / "a.json")
        rows = taken(text, tmp_path / "a.json", order="file-name")
        assert rows == [(n + 1, 1, n % 1000, 0.5) for n in range(50_000)]


def test_1000_numbers_per_image_are_confidences(tmp_path: Path) -> None:
    def logits(image: Image) -> list[float]:
        values = [-1.5] * 1000
        for label, score in pairs(image):
            values[label] = score
        return values

    # Of equal confidences the lower class id ranks first.
    images = [*GIVEN[:2], GIVEN[2]._replace(labels=[5, 3, 4])]
    for content in (
        by_name(images, logits),
        [{"image": image.name, "prob": logits(image)} for image in images],
        [{"img_path": image.name, "pred_scores": logits(image)} for image in images],
    ):
        rows = taken(json.dumps(content), tmp_path / "a.json")
        assert [row for row in rows if row[1] <= 3] == expected(images, SHAPES["by name, objects"])
    ranking = {GIVEN[0].name: [*range(999, -1, -1)]}
    assert [row[2] for row in taken(json.dumps(ranking), tmp_path / "a.json")] == [
        *range(999, 994, -1)
    ]


NAME = GIVEN[0].name


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        ({"a": {NAME: 1}, "b": {GIVEN[1].name: 2}}, {"count": 2, "value": "a"}),
        ({"a": [{"image": NAME}], "b": {"c": [{"image": NAME}]}}, {"count": 2, "value": "a"}),
        # The ground truth names its images; the predictions do not.
        (
            {"truth": {f"ILSVRC2012_val_{n:08d}": 5 for n in range(1, 9)}, "pred": [5] * 8},
            {"count": 2, "value": "truth"},
        ),
        (
            [{"image": NAME, "output": 5, "info": {"label": 6}}],
            {"column": "label", "value": "output", "count": 2, "parameter": "columns"},
        ),
        ([{"image": NAME, "labels": [5, 6], "outputs": [7, 8]}], {"column": "label"}),
        ({NAME: [["5", "x", 0.5], True]}, {"column": "label", "row": 1}),
        ([[NAME, True], [GIVEN[1].name, [5]]], {"row": 1, "column": "label"}),
        ([[NAME, [{"label": 5}, [1, 2]]]], {"row": 1}),
        ({"info": [None], "data": [None]}, {"count": 0}),
        ({"model": "vit", "accuracy": 0.8}, {"count": 2, "value": "model"}),
        ({"cat.jpg": 5, "dog.jpg": 6}, {"column": "image", "value": "cat.jpg", "row": 1}),
        ({NAME: 5, "model": 6}, {"column": "image", "value": "model", "row": 2}),
        ({NAME: 5, GIVEN[1].name: [5]}, {"row": 1, "column": "label", "count": 1}),
        ({NAME: [5], GIVEN[1].name: 5}, {"row": 2, "value": "5"}),
        ({NAME: [5, 6], GIVEN[1].name: {}}, {"row": 2, "value": "{}"}),
        ({NAME: {"5": 1, "6": 2}}, {"row": 1, "column": "confidence", "value": "1"}),
        ({NAME: [["a", 2], ["b", 1]]}, {"row": 1, "column": "confidence", "value": "2"}),
        ({NAME: [[5, 6], [7, 8]]}, {"row": 1, "column": "label"}),
        ({NAME: [{"label": 5, "score": 0.5}, {"label": 6}]}, {"row": 1, "column": "confidence"}),
        ({NAME: [0.1, 0.7, 0.2]}, {"column": "confidence", "count": 3, "row": 1}),
        ([[NAME, 5, 6]], {"column": "label", "row": 1, "count": 1}),
        ([NAME, GIVEN[1].name], {"value": NAME, "count": 2}),
        ([{NAME: 5}, {NAME: 6}], {"row": 2, "column": "image", "value": NAME}),
        ([1, 2, 3], {"column": "image", "count": 3}),
        ([{"image": NAME, "label": 5}, 7], {"row": 2, "value": "7", "count": 1}),
        ([[{"image": NAME, "label": 5}], 7], {"row": 2, "count": 1}),
        ([{f"{n}": 1, f"{n}x": 2, "image": n} for n in range(3000)], {"count": 6001}),
        (
            [{"image": NAME, "a": {"label": 5}, "b": {"label": 6}}],
            {"column": "label", "value": "a.label", "count": 2, "parameter": "columns"},
        ),
        (
            [{"image": NAME, "label": 5, "top": [{"label": 6, "score": 0.5}]}],
            {"column": "label", "value": "label", "count": 2, "parameter": "columns"},
        ),
        (
            {"images": [{"id": 1, "file_name": NAME}], "results": [{"image_id": 2}]},
            {"column": "image", "value": "2", "row": 1, "count": 1},
        ),
        ({"image": {"0": NAME}, "label": {"1": 5}}, {"column": "label", "count": 1}),
        (
            [{"image": NAME, "top": [{"rank": 1, "label": 5}, {"rank": 1, "label": 6}]}],
            {"column": "rank", "row": 1},
        ),
    ],
)
def test_unreadable_shapes_are_refused(
    content: Any, fields: dict[str, object], tmp_path: Path
) -> None:
    with refused(DataError, **fields):
        taken(json.dumps(content), tmp_path / "a.json")


def test_the_user_chooses_among_several_fields(tmp_path: Path) -> None:
    choice = {"label": 6, "score": 0.5}
    content = [{"image": NAME, "label": 5, "a": choice, "b": [{**choice, "label": 7}]}]
    for column, label, score in (("a.label", 6, 0.5), ("b", 7, 0.5), ("label", 5, None)):
        rows = taken(json.dumps(content), tmp_path / "a.json", columns={"label": column})
        assert rows == [(293, 1, label, score)]
