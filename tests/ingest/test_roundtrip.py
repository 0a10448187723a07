"""Nothing is lost: each upstream file can be rebuilt from the Parquet tables."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from connections import empty_connection

import realdb
from realdb.store.store import Store

# The position columns of each file's questions and raters, and its round of votes.
MAIN = ("main", "q.position", "r.position", "not r.is_expert and r.position is not null")
GOLDEN = ("golden", "q.golden_position", "r.golden_position", "r.golden_position is not null")
EXPERT = ("expert", "q.golden_position", "r.position", "r.is_expert")
ROUNDS = {"raters.npz": MAIN, "raters_golden.npz": GOLDEN, "golden.npz": EXPERT}


# From the tables ----------------------------------------------------------------------------------


@dataclass
class Tables:
    """The Parquet files of a store, queried by DuckDB without realdb."""

    folder: Path

    def ask(self, sql: str) -> dict[str, Any]:
        """Return the columns of the answer; `{votes}` stands for the file votes.parquet."""
        paths = {path.stem: f"'{path}'" for path in self.folder.glob("*.parquet")}
        with empty_connection() as con:
            return dict(con.sql(sql.format(**paths)).fetchnumpy())

    def real_json(self) -> bytes:
        lists = self.ask(
            """
            select list(l.label order by l.position) filter (l.label is not null) as labels
            from {images} as i
            left join {labels} as l on i.image_id = l.image_id
            group by i.image_id
            order by i.image_id
            """
        )["labels"]
        missing = np.ma.getmaskarray(lists)
        return json.dumps(
            [[] if gone else list(map(int, x)) for x, gone in zip(lists, missing, strict=True)]
        ).encode()

    def info(self, position: str) -> Any:
        asked = self.ask(
            f"""
            select i.file_name, q.label
            from {{questions}} as q
            join {{images}} as i on q.image_id = i.image_id
            where {position} is not null
            order by {position}
            """
        )
        columns = (asked["file_name"].astype("<U28"), asked["label"].astype("<U28"))
        return np.stack(columns, axis=1)

    def scores(self) -> Any:
        return self.ask(
            """
            select s.score
            from {scores} as s
            join {questions} as q on s.image_id = q.image_id and s.label = q.label
            order by q.position
            """
        )["score"]

    def ids(self, position: str, whose: str) -> Any:
        found = self.ask(
            f"select r.rater_id from {{raters}} as r where {whose} order by {position}"
        )
        return found["rater_id"].astype(np.int64)

    def tensor(
        self, round_name: str, question: str, rater: str, whose: str
    ) -> tuple[tuple[int, ...], Iterator[Any]]:
        """Return the shape of the tensor, and its (questions, 3) for one rater after the other."""
        answers = self.ask(
            f"""
            select
                {rater} as rater,
                {question} as question,
                case v.answer when 'no' then 0 when 'maybe' then 1 else 2 end as answer
            from {{votes}} as v
            join {{raters}} as r on v.rater_id = r.rater_id
            join {{questions}} as q on v.image_id = q.image_id and v.label = q.label
            where v.round = '{round_name}'
            order by rater
            """
        )
        shape = (len(self.ids(rater, whose)), len(self.info(question)), 3)
        starts = np.searchsorted(answers["rater"], np.arange(shape[0] + 1))

        def of_rater(place: int) -> Any:
            cells = np.zeros(shape[1:])
            mine = slice(starts[place], starts[place + 1])
            cells[answers["question"][mine], answers["answer"][mine]] = 1
            return cells

        return shape, map(of_rater, range(shape[0]))


# From the files -----------------------------------------------------------------------------------


def tensor_of(path: Path) -> tuple[Any, tuple[int, ...], Iterator[Any]]:
    """Return dtype and shape of a file's tensor, and one rater's after the other, not 377 MB."""
    archive = zipfile.ZipFile(path)
    stream = archive.open("tensor.npy")
    np.lib.format.read_magic(stream)
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    size = dtype.itemsize * shape[1] * shape[2]

    def rows() -> Iterator[Any]:
        with archive, stream:
            for _ in range(shape[0]):
                yield np.frombuffer(stream.read(size), dtype).reshape(shape[1:])
            assert not stream.read(1)

    return dtype, shape, rows()


def member(path: Path, name: str) -> Any:
    with np.load(path) as members:
        return members[name]


def assert_same(found: Any, wanted: Any) -> None:
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    assert np.array_equal(found, wanted)


# Real files, generated files, and files in which every order is different -------------------------


@pytest.fixture(scope="module")
def disordered(synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Store]:
    """Return files whose golden questions and raters are in another order, and a store of them."""
    folder = Path(shutil.copytree(synthetic, tmp_path_factory.mktemp("disordered") / "given"))
    for name in ("golden.npz", "raters_golden.npz"):
        with np.load(folder / name) as members:
            info, tensor, ids = (members[each] for each in ("info", "tensor", "ids"))
        if name == "raters_golden.npz":
            ids, tensor = ids[::-1], tensor[::-1]
        np.savez_compressed(folder / name, info=info[::-1], tensor=tensor[:, ::-1], ids=ids)
    with pytest.warns(realdb.RealdbWarning):
        return folder, realdb.ingest(folder, store=folder.parent / "store", parquet_only=True)


@pytest.fixture(params=["synthetic", "real", "disordered"])
def both(request: pytest.FixtureRequest) -> tuple[Path, Tables]:
    """Return the folder of the files, and the tables that they became."""
    folder: Path
    store: Store
    if request.param == "disordered":
        folder, store = request.getfixturevalue("disordered")
    else:
        store = request.getfixturevalue(f"{request.param}_store")
        folder = request.getfixturevalue("upstream" if request.param == "real" else "synthetic")
    return folder, Tables(store.folder / "tables")


def test_real_json_comes_back_byte_for_byte(both: tuple[Path, Tables]) -> None:
    folder, tables = both
    assert tables.real_json() == (folder / "real.json").read_bytes()


def test_scores_come_back(both: tuple[Path, Tables]) -> None:
    folder, tables = both
    assert_same(tables.scores(), member(folder / "scores.npz", "tensor"))
    assert_same(tables.info("q.position"), member(folder / "scores.npz", "info"))


@pytest.mark.parametrize("name", ROUNDS)
def test_votes_come_back(both: tuple[Path, Tables], name: str) -> None:
    folder, tables = both
    round_name, question, rater, whose = ROUNDS[name]
    assert_same(tables.ids(rater, whose), member(folder / name, "ids"))
    assert_same(tables.info(question), member(folder / name, "info"))
    shape, found = tables.tensor(round_name, question, rater, whose)
    dtype, wanted_shape, wanted = tensor_of(folder / name)
    assert (shape, dtype) == (wanted_shape, np.float64)
    for ours, theirs in zip(found, wanted, strict=True):
        assert np.array_equal(ours, theirs)


def test_no_member_of_an_npz_is_left_out(both: tuple[Path, Tables]) -> None:
    folder, _ = both
    for name in ("scores.npz", *ROUNDS):
        with np.load(folder / name) as members:
            assert set(members) == {"tensor", "info", *(["ids"] if name in ROUNDS else [])}


def test_the_original_labels_come_back_byte_for_byte(both: tuple[Path, Tables]) -> None:
    folder, tables = both
    lines = tables.ask(
        """
        select c.wordnet_id
        from {images} as i
        join {classes} as c on i.original_label = c.label
        order by i.image_id
        """
    )["wordnet_id"]
    assert "".join(f"{line}\n" for line in lines) == (folder / "validation_labels.txt").read_text()
    classes = tables.ask("select wordnet_id from {classes} order by label")["wordnet_id"]
    assert "".join(f"{line}\n" for line in classes) == (folder / "labels.txt").read_text()


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("imagenet_synset_to_lemma.txt", "name"),
        ("imagenet_synset_to_definition.txt", "description"),
    ],
)
def test_the_texts_of_the_classes_come_back(
    both: tuple[Path, Tables], name: str, column: str
) -> None:
    folder, tables = both
    rows = (line.split("\t", 1) for line in (folder / name).read_text("utf-8").splitlines())
    texts = dict(rows)
    found = tables.ask(f"select wordnet_id, {column} as text from {{classes}}")
    assert len(found["text"]) == 1000
    for wordnet_id, text in zip(found["wordnet_id"], found["text"], strict=True):
        assert text == texts[wordnet_id].strip()


def test_the_training_files_come_back_in_order(
    source_folder: Path, ingest: Callable[..., Store]
) -> None:
    text = "n01440764_9.JPEG\nn01440764/n01440764_10.JPEG\nn15075141_1.JPEG\nn01440764_1.JPEG\n"
    (source_folder / "fnames_clean.txt").write_text(text)
    tables = Tables(ingest().folder / "tables")
    rows = tables.ask("select file_name, wordnet_id from {train_files} order by position")
    assert "".join(f"{name}\n" for name in rows["file_name"]) == text
    assert rows["wordnet_id"].tolist() == [
        "n01440764",
        "n01440764",
        "n15075141",
        "n01440764",
    ]
