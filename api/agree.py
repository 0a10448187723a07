"""Say how far the raters agree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..queries import catalog
from .build import open_store

if TYPE_CHECKING:
    import duckdb

    from ..ingest.progress import Progress

# What `by` may name.
BY = ("class", "animal")
# A thousand do for an interval at 95 %; beyond this only the memory grows.
MOST_SAMPLES = 10_000


def agreement(
    *,
    by: str | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    store: str | Path | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> duckdb.DuckDBPyRelation:
    """Return how far the raters agree on all questions: one row, with intervals.

    `by` asks for a row for animals and one for objects ('animal'), or for one for each class
    ('class'). The columns are those of the views `agreement` or `agreement_by_class`: the observed
    agreement, Krippendorff's nominal and ordinal alpha, Fleiss' kappa; each is followed by its
    `_low` and `_high`, the ends of the percentile interval at `level` from `bootstrap` samples of
    the images (stats/agreement.py). `bootstrap=0` leaves the intervals empty. The same `seed`
    gives the same intervals.

    Raises UsageError where an argument is none of these, QueryError where the store has no votes.

    >>> realdb.agreement(by="animal").project("subset, ordinal_alpha").fetchall()  # doctest: +SKIP
    [('animals', 0.37148333039501624), ('objects', 0.575872926474686)]
    """
    if by is not None and by not in BY:
        raise UsageError(f"by is one of {', '.join(BY)}; not {by!r}")
    if bootstrap != 0 and not 2 <= bootstrap <= MOST_SAMPLES:
        raise UsageError(
            f"bootstrap is a number of samples, 2 to {MOST_SAMPLES:,}, or 0 for none; not "
            f"{bootstrap}"
        )
    if seed < 0:
        raise UsageError(f"a seed is not negative; {seed} is")
    if not 0 < level < 1:
        raise UsageError(f"a level lies between 0 and 1; not {level}")
    import duckdb
    import numpy as np
    import pyarrow as pa

    from ..stats import agreement as sampling

    opened = open_store(store, offline, progress)
    name = "agreement_by_class" if by == "class" else "agreement"
    con = opened.connect(catalog.tables_of(name))
    catalog.install(con, opened.names, [name])
    rows = con.view(name)
    if by != "class":
        rows = rows.filter("subset = 'all'" if by is None else "subset <> 'all'")
    found = rows.order("all").to_arrow_table()
    low, high = np.full((2, len(sampling.COEFFICIENTS), len(found)), np.nan)
    if bootstrap and len(found):
        votes = sampling.votes(con, by)
        low, high = sampling.intervals(votes, replicates=bootstrap, seed=seed, level=level)
    columns = {}
    for column in found.column_names:
        columns[column] = found[column]
        if column in sampling.COEFFICIENTS:
            place = sampling.COEFFICIENTS.index(column)
            # What is not known for the votes themselves is not known for samples of them.
            unknown = found[column].is_null().to_numpy()
            for end, ends in (("low", low), ("high", high)):
                mask = unknown | np.isnan(ends[place])
                columns[f"{column}_{end}"] = pa.array(ends[place], mask=mask)
    return duckdb.connect().from_arrow(pa.table(columns))
