from __future__ import annotations

import dataclasses
import pickle
import random
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import realdb
from realdb.api import batches as reading
from realdb.errors import DataError, QueryError, RealdbError, UsageError
from realdb.ingest import predictions
from realdb.schema.tables import create_table
from realdb.store.store import Store
from refusals import refused

Array = npt.NDArray[Any]
RULES: list[dict[str, Any]] = [
    {},
    {"threshold": 0.5},
    {"empty": "wrong"},
    {"empty": "original", "threshold": 0.99},
]


@pytest.fixture(autouse=True)
def _synthetic_is_the_store(synthetic_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REALDB_HOME", str(synthetic_store.root))


@pytest.fixture(scope="module")
def logits(synthetic_store: Store) -> Array:
    """Return logits, float16 (50000, 1000), with many ties, that are right more often than not."""
    rng = np.random.default_rng(0)
    found = rng.integers(0, 50, (50_000, 1000), np.uint8).astype(np.float16)
    with synthetic_store.connect(["images"]) as con:
        original = con.table("images").order("image_id").fetchnumpy()["original_label"]
    found[np.arange(50_000), original] += rng.integers(0, 15, 50_000)
    return found


@pytest.fixture(scope="module")
def batches() -> list[Array]:
    """Return the rows 0-49999 in another order, in batches of many sizes."""
    rng = np.random.default_rng(1)
    ends = np.sort(rng.choice(np.arange(2, 50_000), 20, replace=False))
    return [np.empty(0, np.int64), *np.split(rng.permutation(50_000), [1, *ends])]


def names_of(rows: Array) -> list[str]:
    return [f"ILSVRC2012_val_{row + 1:08d}.JPEG" for row in rows]


def quiet(call: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call without the warning that only some images are covered."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", realdb.RealdbWarning)
        return call(*args, **options)


# RealAccuracy


@pytest.mark.cases(2)
@pytest.mark.parametrize("rules", RULES, ids=str)
def test_batches_match_accuracy(rules: dict[str, Any], logits: Array, batches: list[Array]) -> None:
    metric = realdb.RealAccuracy(model="array", **rules)
    for rows in batches:
        metric.update(logits[rows], rows + 1)
    found = metric.compute()
    assert found == realdb.accuracy(logits, model="array", **rules)
    assert isinstance(found, realdb.Accuracy)
    assert found.real_top5_accuracy is not None
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.model = "other"  # type: ignore[misc]


def test_class_ids_and_ranks_match_logits(logits: Array) -> None:
    ranked = np.argsort(-logits[:1000], axis=1, kind="stable")[:, :7]
    given = {"logits": logits[:1000], "7": ranked, "5": ranked[:, :5].astype(np.uint16)}
    results = {}
    for name, predictions_ in given.items():
        metric = realdb.RealAccuracy()
        metric.update(predictions_, np.arange(1, 1001))
        results[name] = quiet(metric.compute)
    assert results["logits"] == results["7"] == results["5"]
    assert results["7"].predicted_images == 1000
    for few in (ranked[:, 0], ranked[:, :3].tolist()):
        metric = realdb.RealAccuracy()
        metric.update(few, range(1, 1001))
        expected = dataclasses.replace(
            results["7"], real_top5_accuracy=None, original_top5_accuracy=None
        )
        assert quiet(metric.compute) == expected
    top1 = realdb.RealAccuracy(topk=(1,))
    top1.update(ranked, range(1, 1001))
    assert quiet(top1.compute) == expected


def test_part_of_the_images_causes_a_warning() -> None:
    metric = realdb.RealAccuracy()
    metric.update([3, 4], [7, 50_000])
    with pytest.warns(realdb.RealdbWarning, match=r"model\b.* 2 .*50,000"):
        assert metric.compute().predicted_images == 2


def test_ties_go_to_the_lower_class_id() -> None:
    tied = np.zeros((1, 1000), np.float32)
    tied[0, [900, 17, 300]] = 1
    assert reading.choices(tied, 1, 5).tolist() == [[17, 300, 900, 0, 1]]
    low = np.full((1, 1000), -np.inf, np.float32)
    low[0, 999] = 0
    assert reading.choices(low, 1, 5).tolist() == [[999, 0, 1, 2, 3]]
    assert low[0, 999] == 0, "what was given is not changed"


def test_reset_and_pickle(logits: Array) -> None:
    metric = realdb.RealAccuracy(threshold=0.5)
    metric.update(logits[:1000], np.arange(1, 1001))
    copy = pickle.loads(pickle.dumps(metric))
    metric.reset()
    with refused(DataError, "update", column=None, count=None, parameter=None):
        metric.compute()
    metric.update(logits[:1000], np.arange(1, 1001))
    assert quiet(copy.compute) == quiet(metric.compute)
    copy.update(logits[1000:1001], [1001])
    assert quiet(copy.compute).predicted_images == 1001
    assert quiet(metric.compute).predicted_images == 1000


def test_merge(logits: Array) -> None:
    whole, first, second = (realdb.RealAccuracy() for _ in range(3))
    whole.update(logits[:2000], range(1, 2001))
    for place, rows in enumerate(np.array_split(np.random.default_rng(1).permutation(2000), 7)):
        (first, second)[place % 2].update(logits[rows], names_of(rows))
    count = quiet(second.compute).predicted_images
    first.merge(pickle.loads(pickle.dumps(second)))
    assert quiet(first.compute) == quiet(whole.compute)
    before = quiet(second.compute)
    with refused(DataError, column="image", parameter="images", count=count):
        second.merge(first)
    assert quiet(second.compute) == before


def test_other_rules_do_not_merge() -> None:
    metric = realdb.RealAccuracy()
    others: dict[str, Any] = {"topk": (1,), "threshold": 0.5, "empty": "wrong"}
    for rule, value in others.items():
        with refused(UsageError, parameter=rule, value=value):
            metric.merge(realdb.RealAccuracy(**{rule: value}))


@pytest.fixture(scope="module")
def of_an_image(synthetic_store: Store) -> realdb.RealAccuracy:
    """Return a metric with a prediction for the image 77, to be copied."""
    metric = realdb.RealAccuracy(store=synthetic_store.root)
    metric.update([5], [77])
    return metric


@pytest.mark.parametrize(
    ("predictions", "images", "facts"),
    [
        ([1], [0], {"column": "image", "row": 0, "value": "0", "count": 1}),
        ([1, 2], [1, 50_001], {"column": "image", "row": 1, "value": "50001", "count": 1}),
        ([1], ["cat.jpg"], {"column": "image", "row": 0, "value": "cat.jpg"}),
        ([1], [True], {"column": "image", "row": 0, "value": "True", "count": 1}),
        ([1], [1.5], {"column": "image", "row": 0, "value": "1.5"}),
        ([1], [None], {"column": "image", "row": 0, "count": 1}),
        ([1], [2**63], {"column": "image", "row": 0, "value": str(2**63)}),
        ([1], "ILSVRC2012_val_00000001.JPEG", {"parameter": "images", "column": None}),
        ([1], [[1]], {"parameter": "images", "value": "(1, 1)"}),
        ([1, 2], [9, "ILSVRC2012_val_00000009.JPEG"], {"column": "image", "value": "9"}),
        ([1], [77], {"column": "image", "value": "77", "count": 1}),
        ([1, 2], [1], {"parameter": "predictions", "count": 2, "column": None}),
        ([1000], [1], {"column": "label", "row": 0, "value": "1000", "count": 1}),
        ([-1], [1], {"column": "label", "row": 0, "value": "-1"}),
        ([[4, 5, 4]], [1], {"column": "label", "row": 0, "count": 1}),
        ([1.0], [1], {"parameter": "predictions", "value": "(1,)"}),
        ([True], [1], {"parameter": "predictions", "value": "(1,)"}),
        (np.zeros((1, 1000), np.int64), [1], {"parameter": "predictions", "value": "(1, 1000)"}),
        (np.zeros((1, 10)), [1], {"column": "confidence", "row": None, "count": 10}),
        (np.zeros((1, 1001)), [1], {"column": "confidence", "row": None, "count": 1001}),
        (np.full((1, 1000), np.nan), [1], {"column": "label", "row": 0, "count": 1000}),
        (np.zeros((1, 1, 1000)), [1], {"parameter": "predictions", "value": "(1, 1, 1000)"}),
        (5, [1], {"parameter": "predictions", "value": "()"}),
        ([[1, 2], [3]], [1, 2], {"parameter": "predictions", "column": None}),
        ([1, 2], [[1], [2, 3]], {"parameter": "images", "column": None}),
    ],
)
def test_a_refused_batch_is_not_counted(
    predictions: Any, images: Any, facts: dict[str, object], of_an_image: realdb.RealAccuracy
) -> None:
    metric = pickle.loads(pickle.dumps(of_an_image))
    before = pickle.dumps(metric)
    with pytest.raises(DataError) as caught:
        metric.update(predictions, images)
    assert {name: getattr(caught.value, name) for name in facts} == facts
    assert "\n" not in str(caught.value)
    assert pickle.dumps(metric) == before


def test_one_nan_among_many(logits: Array) -> None:
    spoilt = logits[:300].copy()
    spoilt[280, 7] = np.nan
    with refused(DataError, row=280, value=7, count=1):
        realdb.RealAccuracy().update(spoilt, range(1, 301))


def test_invalid_settings_are_refused_early(bare_store: Store) -> None:
    with refused(UsageError, parameter="topk", value=(1, 3)):
        realdb.RealAccuracy(topk=(1, 3))
    with refused(UsageError, parameter="empty", value="all"):
        realdb.RealAccuracy(empty="all")
    with refused(QueryError, "scores.npz", value="labels_at", count=1):
        realdb.RealAccuracy(threshold=0.5, store=bare_store.root)
    with refused(QueryError, parameter="empty"):
        realdb.RealAccuracy(empty="original", store=bare_store.root)


# Images


FORMS = (
    "ILSVRC2012_val_{:08d}.JPEG",
    "val/n01440764/ILSVRC2012_val_{:08d}.JPEG",
    "C:\\val\\ILSVRC2012_val_{:08d}.jpg",
    "ILSVRC2012_val_{:08d}",
    "ILSVRC2012_val_{:08d}_n01440764.JPEG",
    "{:08d}.png",
    "{:08d}",
    "{}",
    "{}.0",
)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_name(form: str) -> None:
    images = [1, 293, 50_000]
    names = [form.format(image) for image in images]
    as_bytes = [name.encode() for name in names]
    for given_ in (names, tuple(names), as_bytes, np.array(names), np.array(as_bytes), iter(names)):
        assert reading.image_ids(given_).tolist() == images
    assert reading.image_ids([Path(name) for name in names]).tolist() == images


def test_every_kind_of_number() -> None:
    for kind in (np.int16, np.uint64, np.float32):
        assert reading.image_ids(np.array([1, 293], kind)).tolist() == [1, 293]
    assert reading.image_ids([]).tolist() == []
    assert reading.image_ids(range(3, 5)).tolist() == [3, 4]


PIECES = (
    "ILSVRC2012_val_",
    "00000012",
    "12",
    "_n01440764",
    ".JPEG",
    ".0",
    "/",
    "\\",
    " ",
    "a",
    "\n",
)


@pytest.fixture(scope="module")
def predictions_alone() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        create_table(con, "predictions")
        yield con


@given(st.lists(st.sampled_from(PIECES), max_size=6).map("".join))
@example("ILSVRC2012_val_00000012.JPEG")
@example("a/12.0")
@example("ILSVRC2012_val_00000012_n01440764.JPEG")
@example("00000012")
@example("")
def test_images_follow_the_rules_of_prediction_files(
    predictions_alone: duckdb.DuckDBPyConnection, name: str
) -> None:
    def read(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except RealdbError:
            return None

    con = predictions_alone
    con.execute("delete from predictions")
    taken = read(lambda: predictions.add(con, {name: 1}))
    rows = con.execute("select image_id from predictions").fetchall()
    found = read(lambda: reading.image_ids([name]).tolist())
    assert found == ([image for (image,) in rows] if taken else None)


# torch and torchmetrics


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
def test_tensors(dtype: str, logits: Array) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    metric, other = realdb.RealAccuracy(), realdb.RealAccuracy()
    some = torch.from_numpy(logits[:2000]).to(getattr(torch, dtype)).requires_grad_()
    metric.update(some, torch.arange(1, 2001))
    other.update(logits[:2000], names_of(np.arange(2000)))
    assert quiet(metric.compute) == quiet(other.compute)
    metric.update(torch.tensor([[1, 2, 3]]), torch.tensor([2001]))
    with refused(DataError, column="image", value="2001"):
        metric.update(torch.tensor([1]), torch.tensor([2001]))


def test_without_torchmetrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    with refused(UsageError, "pip install torchmetrics"):
        realdb.RealAccuracy().as_torchmetric()


@pytest.fixture
def torchmetrics() -> Any:
    pytest.importorskip("torch", reason="torch is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it imports warns of its own accord
        return pytest.importorskip("torchmetrics", reason="torchmetrics is not installed")


def shares(result: realdb.Accuracy) -> dict[str, float]:
    """Return the expected result of the torchmetric from the view's row."""
    names = ("real", "original", "real_top5", "original_top5")
    return {f"{name}_accuracy": getattr(result, f"{name}_accuracy") for name in names}


def numbers(computed: dict[str, Any]) -> dict[str, float]:
    return {name: value.item() for name, value in computed.items()}


@pytest.mark.parametrize("rules", RULES, ids=str)
@pytest.mark.usefixtures("torchmetrics")
def test_the_torchmetric(rules: dict[str, Any], logits: Array, batches: list[Array]) -> None:
    import torch

    metric = realdb.RealAccuracy(**rules).as_torchmetric().to("cpu")
    for rows in batches:
        metric.update(torch.from_numpy(logits[rows]), names_of(rows))
    assert numbers(metric.compute()) == shares(realdb.accuracy(logits, **rules))
    again = pickle.loads(pickle.dumps(metric))
    assert numbers(again.compute()) == numbers(metric.compute())
    with refused(DataError, count=1, column="image"):
        again.update(logits[:1], [1])


@pytest.mark.usefixtures("torchmetrics")
def test_forward_gives_the_batch(logits: Array) -> None:
    metric = realdb.RealAccuracy().as_torchmetric()
    for start in (0, 500):
        rows = np.arange(start, start + 500)
        alone = realdb.RealAccuracy()
        alone.update(logits[rows], rows + 1)
        assert numbers(metric(logits[rows], rows + 1)) == shares(quiet(alone.compute))
    both = realdb.RealAccuracy()
    both.update(logits[:1000], np.arange(1, 1001))
    assert numbers(metric.compute()) == shares(quiet(both.compute))
    metric(logits[:1], [1])
    with refused(DataError, count=1, column="image"):
        metric.compute()
    metric.reset()
    metric.update([1, 2], [3, 4])
    found = numbers(metric.compute())
    assert np.isnan(found["real_top5_accuracy"])
    assert not np.isnan(found["original_accuracy"])


def test_a_collection(torchmetrics: Any, logits: Array) -> None:
    """Metrics with different rules are not combined, although their first counts are equal."""
    import torch

    rules: dict[str, dict[str, Any]] = {
        "published": {},
        "low": {"threshold": 0.1},
        "wrong": {"empty": "wrong"},
    }
    metrics = {name: realdb.RealAccuracy(**rule).as_torchmetric() for name, rule in rules.items()}
    top1 = torchmetrics.classification.MulticlassAccuracy(1000, average="micro")
    both = torchmetrics.MetricCollection({**metrics, "top1": top1})
    target = torch.zeros(1, dtype=torch.int64)
    labels = [one.tolist() for one in realdb.real_labels()]
    first = next(row for row, one in enumerate(labels) if len(one) == 1)
    one_hot = torch.zeros(1, 1000)
    one_hot[0, labels[first][0]] = 1
    both.update(preds=one_hot, images=[first + 1], target=target)
    rows = np.setdiff1d(np.arange(3000), [first])
    both.update(
        preds=torch.from_numpy(logits[rows]).float(),
        images=rows + 1,
        target=torch.zeros(len(rows), dtype=torch.int64),
    )
    found = numbers(both.compute())
    for name, rule in rules.items():
        alone = realdb.RealAccuracy(**rule)
        alone.update(one_hot, [first + 1])
        alone.update(logits[rows], rows + 1)
        expected = {f"{name}_{k}": v for k, v in shares(quiet(alone.compute)).items()}
        assert {k: found[k] for k in expected} == expected
    assert "top1" in found


# Two processes, as torchrun would start them, each with half of the images.
RANK = """
import sys
import numpy as np, torch, torch.distributed as dist
import realdb
rank, folder, home = int(sys.argv[1]), sys.argv[2], sys.argv[3]
dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
metric = realdb.RealAccuracy(store=home).as_torchmetric()
labels = np.load(f"{folder}/ranked.npy")
mine = np.arange(rank, len(labels), 2)
for rows in np.array_split(mine, 3):
    metric.update(labels[rows], rows + 1)
print(sorted((name, value.item()) for name, value in metric.compute().items()))
metric.reset()
metric.update(labels[:1], [1])
try:
    metric.compute()
except realdb.RealdbError as error:
    print(error)
dist.destroy_process_group()
"""


@pytest.mark.usefixtures("torchmetrics")
def test_processes_add_up(logits: Array, synthetic_store: Store, tmp_path: Path) -> None:
    ranked = np.argsort(-logits[:3000], axis=1, kind="stable")[:, :5]
    np.save(tmp_path / "ranked.npy", ranked)
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, str(rank), str(tmp_path), str(synthetic_store.root)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    printed = [rank.communicate(timeout=300)[0].splitlines() for rank in ranks]
    alone = realdb.RealAccuracy()
    alone.update(ranked, range(1, 3001))
    expected = str(sorted(shares(quiet(alone.compute)).items()))
    for computed, refusal in printed:
        assert computed == expected
        assert "1 image" in refusal
        assert "image 1" in refusal


def test_random_parts_add_up(logits: Array) -> None:
    """The parts and the order of merging do not change the result."""
    draw = random.Random(2)
    whole = realdb.RealAccuracy()
    whole.update(logits[:400], range(1, 401))
    expected = quiet(whole.compute)
    for _ in range(3):
        rows = draw.sample(range(400), 400)
        cuts = sorted(draw.sample(range(1, 400), 3))
        parts = []
        for begin, end in zip([0, *cuts], [*cuts, 400], strict=True):
            part = realdb.RealAccuracy()
            part.update(logits[rows[begin:end]], np.array(rows[begin:end]) + 1)
            parts.append(part)
        first, *others = parts
        for part in others:
            first.merge(part)
        assert quiet(first.compute) == expected
