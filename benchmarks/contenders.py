"""The contenders of the benchmarks: one function each, run in a new process.

    python -m benchmarks.contenders NAME ARGUMENT...

prints the answer as JSON. A contender that is timed without its startup also prints its seconds.
The answers of compared contenders must be equal.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Answer = list[Any]


def realdb_accuracy(store: str, file: str) -> Answer:
    import realdb

    found = realdb.accuracy(file, store=store)
    return [found.correct_images, found.scored_images]


def readme_loop(real_json: str, file: str) -> Answer:
    """The loop of the upstream README, with its mistakes corrected, on a CSV."""
    import csv

    real = _real(real_json)
    with open(file, newline="") as rows:  # noqa: PTH123, as a user writes it
        correct = [
            int(label) in real[name] for name, label, *_ in list(csv.reader(rows))[1:] if real[name]
        ]
    return [sum(correct), len(correct)]


def argmax_loop(real_json: str, file: str) -> Answer:
    import numpy as np

    rows = zip(_real(real_json).values(), np.load(file).argmax(axis=1), strict=True)
    correct = [int(label) in labels for labels, label in rows if labels]
    return [sum(correct), len(correct)]


def pandas_merge(labels: str, file: str) -> Answer:
    import pandas as pd

    known = pd.read_parquet(labels, columns=["image_id", "label"])
    rows = (pd.read_parquet if file.endswith(".parquet") else pd.read_csv)(file)
    rows["image_id"] = rows.file_name.str.extract(r"(\d{8})", expand=False).astype("int32")
    rows["label"] = rows.predicted_class.astype("int16")
    rows = rows[rows.image_id.isin(known.image_id)]
    return [len(rows.merge(known, on=["image_id", "label"])), len(rows)]


def polars_semi_join(labels: str, file: str) -> Answer:
    import polars as pl

    known = pl.scan_parquet(labels).select("image_id", "label")
    image = pl.col("file_name").str.extract(r"(\d{8})").cast(pl.Int32).alias("image_id")
    label = pl.col("predicted_class").cast(pl.Int16).alias("label")
    rows = pl.scan_parquet(file).select(image, label)
    rows = rows.join(known.select("image_id").unique(), on="image_id", how="semi")
    correct = rows.join(known, on=["image_id", "label"], how="semi")
    counts = pl.collect_all([correct.select(pl.len()), rows.select(pl.len())])
    return [count.item() for count in counts]


def timm_real_labels(real_json: str, file: str) -> Answer:
    """timm's class without the other imports of the package, which take seconds."""
    import csv
    from importlib.util import find_spec, module_from_spec, spec_from_file_location

    import torch

    timm = find_spec("timm")
    assert timm
    assert timm.submodule_search_locations
    place = Path(timm.submodule_search_locations[0]) / "data" / "real_labels.py"
    spec = spec_from_file_location("real_labels", place)
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    with open(file, newline="") as given:  # noqa: PTH123
        rows = list(csv.reader(given))[1:]
    real = module.RealLabelsImagenet([name for name, *_ in rows], real_json=real_json, topk=(1,))
    # The class needs logits, of which it uses the first choices.
    for begin in range(0, len(rows), 256):
        labels = torch.tensor([int(row[1]) for row in rows[begin : begin + 256]])
        real.add_result(torch.nn.functional.one_hot(labels, 1000))
    correct = real.is_correct[1]
    return [int(sum(correct)), len(correct)]


# An array, in a process that was called before.


def realdb_array(store: str, file: str) -> Answer:
    import realdb

    found = _warm(lambda array: realdb.accuracy(array, store=store), _arrays(file))
    return [found.correct_images, found.scored_images]


def loop_array(real_json: str, file: str) -> Answer:
    """The loop of the upstream README, with i + 1 instead of i + i."""
    real = _real(real_json)

    def judge(predictions: Any) -> list[bool]:
        return [
            label in real[f"ILSVRC2012_val_{i + 1:08d}.JPEG"]
            for i, label in enumerate(predictions)
            if real[f"ILSVRC2012_val_{i + 1:08d}.JPEG"]
        ]

    correct = _warm(judge, _arrays(file))
    return [sum(correct), len(correct)]


def numpy_array(real_json: str, file: str) -> Answer:
    """A table of 50,000 x 1,000 booleans, computed once."""
    import numpy as np

    table = np.zeros((50_000, 1_000), bool)
    for image, labels in enumerate(_real(real_json).values()):
        table[image, labels] = True
    scored = table.any(axis=1)
    images = np.arange(len(table))
    correct = _warm(lambda array: table[images, array].sum(), _arrays(file))
    return [int(correct), int(scored.sum())]


# Many models in Parquet: [model, correct, scored] by model.


def realdb_leaderboard(tables: str, file: str) -> Answer:
    """The view `accuracy` over the file, with the columns that Polars also computes."""
    con = _views(tables, file)
    return _rows(
        con.execute("select model, correct_images, scored_images from accuracy order by model")
    )


def realdb_store(_: str, store: str) -> Answer:
    """The same for stored models."""
    from realdb.queries import catalog
    from realdb.store import prediction_sets
    from realdb.store.store import resolve

    opened = resolve(Path(store))
    con = opened.connect(catalog.tables_of("accuracy"))
    catalog.install(con, opened.names, ["accuracy"])
    prediction_sets.show(con, opened.root)
    return _rows(
        con.execute("select model, correct_images, scored_images from accuracy order by model")
    )


def duckdb_two_columns(tables: str, file: str) -> Answer:
    """The obvious join."""
    con = _tables(tables, file)
    return _rows(
        con.execute(
            """
            select p.model, count(l.label), count(*)
            from predictions as p
            left join labels as l on p.image_id = l.image_id and p.label = l.label
            where p.rank = 1 and p.image_id in (select image_id from labels)
            group by p.model
            order by p.model
            """
        )
    )


def duckdb_scan(tables: str, file: str) -> Answer:
    """A lower bound for any join: read the three columns, and group by model."""
    con = _tables(tables, file)
    con.execute("select model, count(*), sum(image_id), sum(label) from predictions group by model")
    return []


def polars_leaderboard(tables: str, file: str) -> Answer:
    import polars as pl

    known = pl.scan_parquet(f"{tables}/labels.parquet").select("image_id", "label")
    rows = pl.scan_parquet(file).filter(pl.col("rank") == 1).select("model", "image_id", "label")
    rows = rows.join(known.select("image_id").unique(), on="image_id", how="semi")
    correct = rows.join(known, on=["image_id", "label"], how="semi")
    found, of = pl.collect_all(
        [each.group_by("model").len() for each in (correct, rows)], engine="streaming"
    )
    return _rows(found.join(of, on="model").sort("model").iter_rows())


def pandas_leaderboard(tables: str, file: str) -> Answer:
    import pandas as pd

    known = pd.read_parquet(f"{tables}/labels.parquet", columns=["image_id", "label"])
    rows = pd.read_parquet(file, columns=["model", "image_id", "label"])
    rows = rows[rows.image_id.isin(known.image_id)]
    of = rows.groupby("model").size()
    found = rows.merge(known, on=["image_id", "label"]).groupby("model").size()
    return [[model, int(found[model]), int(of[model])] for model in sorted(of.index)]


def numpy_leaderboard(tables: str, file: str) -> Answer:
    """A table of 50,000 x 1,000 booleans, for one row group of the file after another."""
    from collections import Counter

    import numpy as np
    import pyarrow.parquet as pq

    known = pq.read_table(f"{tables}/labels.parquet", columns=["image_id", "label"])
    table = np.zeros((50_001, 1_000), bool)
    table[known["image_id"].to_numpy(), known["label"].to_numpy()] = True
    scored: Any = table.any(axis=1)
    found: Counter[str] = Counter()
    of: Counter[str] = Counter()
    with pq.ParquetFile(file, read_dictionary=["model"]) as source:
        for batch in source.iter_batches(1 << 20, columns=["model", "image_id", "label"]):
            codes, images, labels = (
                batch["model"].indices.to_numpy(),
                batch["image_id"].to_numpy(),
                batch["label"].to_numpy(),
            )
            models = batch["model"].dictionary.to_pylist()
            for counter, flags in ((found, table[images, labels]), (of, scored[images])):
                counts = np.bincount(codes[flags], minlength=len(models))
                counter.update(dict(zip(models, counts.tolist(), strict=True)))
    return [[model, found[model], of[model]] for model in sorted(of)]


# Five choices for an image: [model, hits, scored] by model.


def realdb_top5(tables: str, file: str) -> Answer:
    con = _views(tables, file)
    return _rows(
        con.execute(
            """
            select model, cast(round(real_top5_accuracy * scored_images) as bigint), scored_images
            from accuracy
            order by model
            """
        )
    )


def polars_top5(tables: str, file: str) -> Answer:
    """Assume that each image has five choices."""
    import polars as pl

    known = pl.scan_parquet(f"{tables}/labels.parquet").select("image_id", "label")
    rows = pl.scan_parquet(file).filter(pl.col("rank") <= 5).select("model", "image_id", "label")
    rows = rows.join(known.select("image_id").unique(), on="image_id", how="semi")
    hits = rows.join(known, on=["image_id", "label"], how="semi")
    found, of = pl.collect_all(
        [
            hits.select("model", "image_id").unique().group_by("model").len(),
            rows.group_by("model").agg(pl.len() // 5),
        ],
        engine="streaming",
    )
    return _rows(found.join(of, on="model").sort("model").iter_rows())


def polars_top5_checked(tables: str, file: str) -> Answer:
    """Check that each image has five choices, like the view."""
    import polars as pl

    known = pl.scan_parquet(f"{tables}/labels.parquet").select("image_id", "label")
    rows = pl.scan_parquet(file).filter(pl.col("rank") <= 5).select("model", "image_id", "label")
    rows = rows.join(known.select("image_id").unique(), on="image_id", how="semi")
    images = (
        rows.join(known.with_columns(hit=True), on=["image_id", "label"], how="left")
        .group_by("model", "image_id")
        .agg(pl.len().alias("ranks"), pl.col("hit").any())
        .filter(pl.col("ranks") == 5)
    )
    found = images.group_by("model").agg(pl.col("hit").sum(), pl.len()).collect(engine="streaming")
    return _rows(found.sort("model").iter_rows())


# The votes.


def dense_nonzero_write(upstream: str, out: str) -> Answer:
    """Write the votes of the dense tensor as a Parquet file."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    with np.load(f"{upstream}/raters.npz") as found:
        rater, question, answer = np.nonzero(found["tensor"])
        ids, info = found["ids"], found["info"]
    image = np.array([int(name[-13:-5]) for name, _ in info], np.int32)
    label = info[:, 1].astype(np.int16)
    table = pa.table(
        {
            "image_id": image[question],
            "label": label[question],
            "rater_id": ids[rater].astype(np.int16),
            "answer": pa.DictionaryArray.from_arrays(
                answer.astype(np.int8), ["no", "maybe", "yes"]
            ).cast("string"),
        }
    )
    pq.write_table(table, out, compression="zstd")
    return [len(table)]


def realdb_scores(tables: str) -> Answer:
    con = _all_tables(tables)
    query = (
        "select image_id, label, recomputed_score from recomputed_scores order by image_id, label"
    )
    return _digest(*_warm(lambda _: con.execute(query).fetchnumpy(), range(4)).values())


_READ = ("votes", "images")


def pandas_scores(tables: str) -> Answer:
    import pandas as pd

    found = _warm(
        lambda _: _scores(*(pd.read_parquet(f"{tables}/{name}.parquet") for name in _READ)),
        range(4),
    )
    return _digest(*(found[column].to_numpy() for column in ("image_id", "label", "score")))


def _scores(votes: Any, images: Any) -> Any:
    """The closed form of the scores in pandas."""
    import numpy as np
    import pandas as pd

    pair = ["image_id", "label"]
    by_round = dict(iter(votes.groupby("round")))
    yes = by_round["expert"].groupby(pair).answer.agg(lambda one: (one == "yes").sum())
    valid = (yes >= 3).rename("valid").reset_index()
    prior = np.log(valid.valid.sum() / (~valid.valid).sum())
    counts = (
        by_round["golden"]
        .merge(valid, on=pair)
        .groupby(["rater_id", "valid", "answer"])
        .size()
        .unstack(["valid", "answer"], fill_value=0)
    ) + 1
    chance = {
        is_valid: counts[is_valid].div(counts[is_valid].sum(axis=1), axis=0)
        for is_valid in (True, False)
    }
    raters = by_round["main"].rater_id.unique()
    for is_valid in (True, False):
        chance[is_valid] = chance[is_valid].reindex(raters).fillna(chance[is_valid].mean())
    evidence = (np.log(chance[True]) - np.log(chance[False])).stack().rename("evidence")
    heard = by_round["main"].merge(evidence.reset_index(), on=["rater_id", "answer"])
    total = heard.groupby(pair).evidence.sum().reset_index()
    total = total.merge(images[["image_id", "original_label"]], on="image_id")
    is_original = total.original_label == total.label
    golden = (yes >= 2).rename("valid").reset_index().merge(images, on="image_id")
    said = pd.crosstab(golden.valid, golden.original_label == golden.label)
    share = (said + 1).div(said.sum(axis=1) + 3, axis=0)
    original = (np.log(share.loc[True]) - np.log(share.loc[False])).to_dict()
    total["score"] = prior + total.evidence
    total.loc[total.label < 398, "score"] += is_original.map(original)
    total["score"] = 1 / (1 + np.exp(-total.score))
    return total.sort_values(pair)


# Common functions.


def _real(real_json: str) -> dict[str, list[int]]:
    lists = json.loads(Path(real_json).read_text())
    return {f"ILSVRC2012_val_{i + 1:08d}.JPEG": labels for i, labels in enumerate(lists)}


def _arrays(file: str) -> list[Any]:
    """Return different arrays, so no result can be cached. The last is the file's."""
    from . import data

    array = data.classes(Path(file))
    return [(array + shift) % 1_000 for shift in range(20, -1, -1)]


def _set_as_realdb(con: Any) -> None:
    """Apply realdb's settings to a connection."""
    from realdb.store.store import DISABLED_OPTIMIZERS

    con.execute(f"set disabled_optimizers = '{DISABLED_OPTIMIZERS}'")


def _tables(tables: str, file: str) -> Any:
    import duckdb

    con = duckdb.connect()
    for name in ("images", "labels"):
        con.read_parquet(f"{tables}/{name}.parquet").create_view(name)
    con.read_parquet(file).create_view("predictions")
    return con


def _views(tables: str, file: str) -> Any:
    from realdb.queries import catalog

    con = _tables(tables, file)
    _set_as_realdb(con)
    catalog.install(con, ["images", "labels", "predictions"], ["accuracy"])
    return con


def _all_tables(tables: str) -> Any:
    import duckdb

    from realdb.queries import catalog

    con = duckdb.connect()
    _set_as_realdb(con)
    paths = list(Path(tables).glob("*.parquet"))
    for path in paths:
        con.read_parquet(str(path)).create_view(path.stem)
    catalog.install(con, [path.stem for path in paths], ["recomputed_scores"])
    return con


def _rows(found: Any) -> Answer:
    rows = found.fetchall() if hasattr(found, "fetchall") else found
    return [list(row) for row in rows]


def _digest(images: Any, labels: Any, scores: Any) -> Answer:
    """Return the number of scores, and two sums that detect another order or score."""
    weights = images.astype("int64") * 1_000 + labels
    return [len(scores), round(float(scores.sum()), 6), round(float((scores * weights).sum()), 0)]


_SECONDS: list[float] = []


def _warm(run: Callable[[Any], Any], given: Sequence[Any]) -> Any:
    """Return `run` of the last input; store the mean time of a call, without the first."""
    run(given[0])
    begun = time.perf_counter()
    for each in given[1:]:
        found = run(each)
    _SECONDS.append((time.perf_counter() - begun) / (len(given) - 1))
    return found


def main() -> None:
    """Run the contender in the command line."""
    name, *arguments = sys.argv[1:]
    answer = globals()[name](*arguments)
    print(json.dumps({"answer": answer, "seconds": _SECONDS[-1] if _SECONDS else None}))


if __name__ == "__main__":
    main()
