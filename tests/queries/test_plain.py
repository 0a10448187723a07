"""Views that are written for speed, compared with a plain SELECT that is obviously right.

`plain/<view>.sql` holds the plain SELECT, with the columns of the view in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from realdb.ingest import predictions
from realdb.queries import catalog
from realdb.store.store import Store

FOLDER = Path(__file__).parent / "plain"
PLAIN = sorted(path.stem for path in FOLDER.glob("*.sql"))
IMAGES = 50_000


def made_up(
    model: str, *, seed: int, images: int = IMAGES, ranks: int = 5, missing: float = 0
) -> pa.Table:
    """Return predictions near the class of the image's number, for some images.

    The share `missing` of the ranks after the first is left out.
    """
    rng = np.random.default_rng(seed)
    image = np.repeat(np.sort(rng.choice(IMAGES, images, replace=False)) + 1, ranks)
    rank = np.tile(np.arange(ranks) + 1, images)
    # Few classes, so that some choices are right; five different ones of an image.
    label = (np.repeat(rng.integers(0, 40, images), ranks) + rank * 3) % 1000
    kept = (rank == 1) | (rng.random(len(rank)) >= missing)
    return pa.table(
        {
            "model": np.full(kept.sum(), model),
            "image_id": image[kept],
            "rank": rank[kept],
            "label": label[kept],
            "confidence": rng.random(kept.sum()),
        }
    )


def original_labels(con: duckdb.DuckDBPyConnection) -> None:
    """Add a model whose five choices hold the original label, at a rank that varies."""
    con.execute(
        """
        insert into predictions
        select 'near the original', image_id, r.rank,
            (original_label + r.rank - 1 - image_id % 6 + 1000) % 1000, null
        from images
        cross join (select unnest(range(1, 6)) as rank) as r
        where original_label is not null and image_id <= 20000
        """
    )


@pytest.fixture(scope="module", params=["real", "synthetic"])
def con(request: pytest.FixtureRequest) -> Iterator[duckdb.DuckDBPyConnection]:
    store: Store = request.getfixturevalue(f"{request.param}_store")
    files: Path = request.getfixturevalue("real_data" if request.param == "real" else "synthetic")
    with store.connect() as opened:
        for path in sorted((files / "predictions").glob("*.csv")):
            predictions.add(opened, path)
        for table in (
            made_up("complete", seed=1),
            made_up("six ranks", seed=2, images=9_000, ranks=6),
            made_up("missing ranks", seed=3, missing=0.1),
            made_up("six ranks, some missing", seed=4, images=9_000, ranks=6, missing=0.1),
            made_up("some images", seed=5, images=7_000),
            made_up("some images, missing ranks", seed=6, images=7_000, missing=0.3),
            made_up("four ranks", seed=7, images=9_000, ranks=4),
            made_up("first choices", seed=8, images=9_000, ranks=1),
        ):
            opened.register("made_up", table)
            opened.execute("insert into predictions by name from made_up")
        original_labels(opened)
        catalog.install(opened, store.names, PLAIN)
        yield opened


@pytest.mark.parametrize("name", PLAIN)
def test_view_matches_the_plain_select(con: duckdb.DuckDBPyConnection, name: str) -> None:
    plain = (FOLDER / f"{name}.sql").read_text(encoding="utf-8")
    con.execute(f"create or replace temp table plain as {plain}")
    con.execute(f"create or replace temp table found as from {name}")
    expected, found = con.table("plain"), con.table("found")
    assert found.columns == expected.columns
    assert len(found) == len(expected) > (200_000 if "image_id" in found.columns else 100)
    assert con.execute("(from plain except all from found) limit 5").fetchall() == []
    assert con.execute("(from found except all from plain) limit 5").fetchall() == []


def test_predictions_cover_every_case(con: duckdb.DuckDBPyConnection) -> None:
    """Models with five ranks for all images, for some and for none; each flag true, false, NULL."""
    shares = con.execute(
        "select model, avg(case when has_five_ranks then 1 else 0 end) "
        "from scored_predictions group by model"
    ).fetchall()
    assert {0 if share == 0 else 1 if share == 1 else "some" for _, share in shares} == {
        *(0, "some", 1)
    }
    flags = ("is_real_correct", "is_real_top5_correct", "is_original_top5_correct")
    for flag in flags:
        found = con.execute(f"select distinct {flag} from scored_predictions").fetchall()
        assert {value for (value,) in found} == {True, False, None}, flag
