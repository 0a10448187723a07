"""Compare models on the same images: which is better, and how sure that is."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from ..errors import DataError, RealdbWarning, UsageError, counted
from ..queries import catalog
from ..schema import quoting
from ..schema.tables import CLASSES, IMAGES
from ..store import kept
from ..store.files import user_path
from . import breakdowns, choices, doubts
from .chosen_labels import REAL
from .results import accuracies, stated
from .rules import Rules, require_choice, stated_rule
from .session import Session
from .shown import Shown

if TYPE_CHECKING:
    import duckdb

    from ..ingest.progress import Progress
    from ..stats.judged import Judged
    from ..stats.paired import CochranQ

# Holm's p value below which two models are distinguished, as in the view rank_intervals.
LEVEL = 0.05
# Of more models the counts come from an array (stats/judged.py), and labels are not compared.
MANY = 100
NATURAL = "natural"
_ERRORS: dict[str, str] = dict(
    zip(
        get_args(choices.StandardError),
        ("error_of_images", "error_within_classes", "error_of_classes"),
        strict=True,
    )
)
_Z = 1.959963984540054
# Each pair in the order in which the models are compared: the view has them in that of the names.
TURNED = """
    select
        {key},
        f.model as model_a,
        s.model as model_b,
        f.place as place_a,
        s.place as place_b,
        c.images,
        c.both_right,
        case when f.model = c.model_a then c.only_a_right else c.only_b_right end as only_a_right,
        case when f.model = c.model_a then c.only_b_right else c.only_a_right end as only_b_right,
        c.both_wrong,
        case when f.model = c.model_a then c.difference else -c.difference end as difference,
        c.standard_error,
        case when f.model = c.model_a then c.difference_low else -c.difference_high end
            as difference_low,
        case when f.model = c.model_a then c.difference_high else -c.difference_low end
            as difference_high,
        c.mid_p,
        c.exact_p,
        c.log10_mid_p,
        c.log10_exact_p,
        c.holm_p,
        c.log10_holm_p,
        c.error_consistency
    from {source} as c
    inner join compared as a on c.model_a = a.model
    inner join compared as b on c.model_b = b.model
    inner join compared as f on f.place = least(a.place, b.place)
    inner join compared as s on s.place = greatest(a.place, b.place)
"""
_PAIRS = """
    select
        r.model_a,
        r.model_b,
        r.images,
        r.both_right,
        r.only_a_right,
        r.only_b_right,
        r.both_wrong,
        r.difference,
        r.standard_error,
        r.difference_low,
        r.difference_high,
        r.mid_p,
        r.exact_p,
        r.log10_mid_p,
        r.log10_exact_p,
        r.holm_p,
        r.log10_holm_p,
        r.error_consistency,
        g.same_label_share,
        g.same_wrong_share,
        o.images as original_images,
        o.both_right as original_both_right,
        o.only_a_right as original_only_a_right,
        o.only_b_right as original_only_b_right,
        o.both_wrong as original_both_wrong,
        o.difference as original_difference,
        o.standard_error as original_standard_error,
        o.difference_low as original_difference_low,
        o.difference_high as original_difference_high,
        o.mid_p as original_mid_p,
        o.exact_p as original_exact_p,
        o.log10_mid_p as original_log10_mid_p,
        o.log10_exact_p as original_log10_exact_p,
        o.holm_p as original_holm_p,
        o.log10_holm_p as original_log10_holm_p,
        o.error_consistency as original_error_consistency
    from turned as r
    left join turned as o
        on r.model_a = o.model_a and r.model_b = o.model_b and o.label_set = 'original'
    left join agreeing as g
        on least(r.model_a, r.model_b) = g.model_a and greatest(r.model_a, r.model_b) = g.model_b
    where r.label_set = 'real'
    order by r.place_a, r.place_b
"""


class _Options(NamedTuple):
    by: str | None
    se: str
    images: bool
    along: str | Path | None


@dataclass(frozen=True, kw_only=True, repr=False)
class Comparison(Shown):
    """What `compare` found.

    models: a row for each model, the best first: accuracy, rank, rank interval, and the groups of
        models that it cannot be distinguished from (neither of the two with `along`)
    pairs: a row for each pair of models: counts, difference, tests; the same by the original labels
    groups: the longest runs of models, the best first, of which no two can be distinguished
    cochran_q: the test that all models are equally good, on `common_images`; None for two models,
        or without an image that all were scored on
    groups_of_images: with `by`, a row for each pair and group
    images: with `images`, the images that only one of two models gets right
    steps: with `along`, a row for each model: its accuracy, and how it differs from the one before
    rule: which labels judge, and how, in one line; None for the ReaL labels. The rows then have the
        columns `label_set` and `rule`, and no column has `real_` in its name
    """

    models: duckdb.DuckDBPyRelation
    pairs: duckdb.DuckDBPyRelation
    groups: tuple[tuple[str, ...], ...]
    cochran_q: CochranQ | None = None
    common_images: int | None = None
    groups_of_images: duckdb.DuckDBPyRelation | None = None
    images: duckdb.DuckDBPyRelation | None = None
    steps: duckdb.DuckDBPyRelation | None = None
    rule: str | None = None

    @property
    def rows(self) -> duckdb.DuckDBPyRelation:
        """The rows that the question is about."""
        others = (self.groups_of_images, self.images, self.steps)
        return next((rows for rows in others if rows is not None), self.pairs)

    @property
    def has_ranks(self) -> bool:
        """There are more than two models, and the question is about their pairs."""
        return self.rows is self.pairs and len(self.models) > 2

    def __str__(self) -> str:
        return "; ".join(each for each in (self._summary(), self.rule) if each)

    def _summary(self) -> str:
        """Return the result in one line; nothing for several pairs without common images."""
        if self.cochran_q is None:
            rows = self.pairs.limit(2).fetchall()
            columns = self.pairs.columns
            return _sentence(dict(zip(columns, rows[0], strict=True))) if len(rows) == 1 else ""
        q = self.cochran_q
        together = "; ".join(", ".join(group) for group in self.groups if len(group) > 1)
        return (
            f"Cochran's Q = {q.statistic:.2f} with {q.degrees_of_freedom} degrees of freedom on "
            f"{self.common_images:,} images, p = {_p(q.p, q.log10_p)}. Not distinguished: "
            f"{together or 'none'}"
        )


def _sentence(pair: Mapping[str, Any]) -> str:
    """Return what a row of `pairs` says of two models."""
    names = ("difference", "difference_low", "difference_high")
    points, low, high = (f"{100 * pair[name]:+.2f}" for name in names)
    apart = "differ" if pair["holm_p"] < LEVEL else "cannot be distinguished"
    return (
        f"{pair['model_a']} and {pair['model_b']} {apart}: {points} percentage points on "
        f"{pair['images']:,} images (95 % interval {low} to {high}), McNemar's mid-p = "
        f"{_p(pair['mid_p'], pair['log10_mid_p'])}"
    )


def _p(p: float, log10: float) -> str:
    return f"{p:.3g}" if p > 0 else f"10^{log10:.1f}"


@kept.reading_again
def compare(
    *predictions: object,
    by: str | None = None,
    se: str = "images",
    images: bool = False,
    along: str | Path | None = None,
    model: str | None = None,
    threshold: float | None = None,
    empty: str | None = None,
    columns: Mapping[str, str] | None = None,
    input_format: str | None = None,
    order: str | Path | None = None,
    ranks: str | None = None,
    drop_repeats: bool = False,
    allow_ground_truth: bool = True,
    scores: str | Path | None = None,
    labels: str = REAL,
    unclear: str | None = None,
    problematic: str = "skip",
    match: str | None = None,
    store: str | PathLike[str] | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare models, two by two, on the images that both predict.

    The models are those of `predictions`, as in `accuracy_table`, in their order; without any the
    stored ones. Of each pair there are the counts of images on which both, one or none is right,
    the difference with its 95 % interval (Newcombe's method 10), McNemar's test (mid-p, exact), and
    Holm's correction over all pairs; the same by the original labels.

    `by` compares within groups of images, and Holm's correction then covers the groups too. It is
    class, label-count, animal, or a grouping of classes or images such as factor. `images` lists
    the images that only one of two models gets right. `along` compares each model with the one
    before, such as the checkpoints of a training run. `natural` orders them by their names, so that
    `epoch10` follows `epoch9`. A text file lists them, one in each line.

    With more than 100 models the pairs have no `same_label_share` and `same_wrong_share` (NULL).

    `se` selects what the standard error resamples: images, images within each class
    (within-classes), or classes. For the last two, the interval is the difference plus and minus
    1.96 standard errors. The tests always count images.

    `threshold`, `empty`, `scores`, `labels`, `unclear`, `problematic` and `match` are as in
    `accuracy_table`. With `labels` or `match` the rows have the columns `label_set` and
    `rule`, and no column has `real_` in its name. `images` then has no votes, because the raters
    voted for the ReaL labels. The other options read the predictions, as in `accuracy_table`.

    Raises DataError if there are fewer than two models, or if two have no scored image in common.

    >>> realdb.compare("ViT.csv", "ResNet50.csv").pairs.fetchone()[7]  # doctest: +SKIP
    0.010291009244827808
    """
    judging: dict[str, Any] = {
        "threshold": threshold,
        "empty": empty,
        "scores": scores,
        "labels": labels,
        "unclear": unclear,
        "problematic": problematic,
        "match": match,
    }
    rules = Rules(**judging)
    options = _Options(by, se, images, along)
    _check(options, rules)
    grouping = breakdowns.grouping_of(by)
    views = ["comparison", "rank_intervals", "accuracy", "leaderboard", doubts.VIEW]
    views += ["paired_counts_by_group"] if by else []
    views += ["paired_errors"] if se != "images" else []
    views += [_images_view(rules)] if images else []
    session = Session(store, views=views, rules=rules, offline=offline, progress=progress)
    of_class = f"by {by}" if by in breakdowns.BY_ORIGINAL else None
    if grouping is not None:
        of_class = breakdowns.original_for(grouping, breakdowns.groupings(session.con))
    of_class = of_class or (f"se {se}" if se != "images" else None)
    read_from: dict[str, object] = {}
    if predictions:
        read_from = session.add(
            predictions,
            model=model,
            columns=columns,
            input_format=input_format,
            order=order,
            ranks=ranks,
            drop_repeats=drop_repeats,
        )
    session.require(["model_agreement"])
    session.prepare(stored=not predictions, original_for=of_class)
    catalog.keep(session.con, "accuracy")
    judged = accuracies(session.view("accuracy"))
    doubts.warn(
        judged,
        doubts.agreements(session) if predictions else {},
        read_from,
        has_rated=doubts.knows_rated(session.store),
        allow_ground_truth=allow_ground_truth,
        labels=rules.labels,
        stacklevel=4,
    )
    models = list(read_from) or sorted(each.model for each in judged)
    if len(models) < 2:
        raise DataError(
            f"a comparison needs two models, and there {'is one' if models else 'are none'}"
            + (f": {models[0]}" if models else ""),
            column="model",
            count=len(models),
            remedy="Name more prediction files, or store models with: realdb add FILE",
        )
    if along is not None:
        models = in_order(models, along)
    return _compared(session, models, options, stated_rule(**judging))


def of_session(session: Session, models: Sequence[str], rule: str | None = None) -> Comparison:
    """Compare the models of a prepared session, in this order, without the shares of equal labels.

    The session has the views comparison, rank_intervals, accuracy, leaderboard and model_agreement.
    """
    options = _Options(None, "images", False, None)
    return _compared(session, [*models], options, rule, has_agreement=False)


def _images_view(rules: Rules) -> str:
    """Return the view of the images on which two models differ.

    By other labels it has no votes, because the raters voted for the ReaL labels.
    """
    is_real = rules.chosen.is_real and rules.match is None
    return "flips" if is_real else "flipped_images"


def _check(options: _Options, rules: Rules) -> None:
    breakdowns.require_rules(options.by, rules)
    require_choice("se", options.se, tuple(_ERRORS))
    others = {"by": options.by, "images": options.images, "along": options.along}
    chosen = [name for name, value in others.items() if value]
    if len(chosen) > 1:
        raise UsageError(
            f"`{chosen[0]}` and `{chosen[1]}` cannot be used together", parameter=chosen[1]
        )
    if options.by is not None and options.se != "images":
        raise UsageError(
            f"`se` is {options.se!r}, and with `by` it is images",
            parameter="se",
            value=options.se,
            remedy="Leave out one of them",
        )


def in_order(models: Sequence[str], along: str | Path) -> list[str]:
    """Return the models in the order that `along` names."""
    if str(along) == NATURAL:
        parts = {model: re.split(r"(\d+)", model) for model in models}
        return sorted(
            models,
            key=lambda model: [*((int(p), "") if p.isdigit() else (-1, p) for p in parts[model])],
        )
    path = user_path(along)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or error}",
            file=path,
            parameter="along",
            remedy="Name a text file with a model a line, or `along=natural`",
        ) from None
    names = [line.strip() for line in lines if line.strip()]
    faults: list[tuple[str, Iterable[str]]] = [
        ("are not compared", [name for name in names if name not in models]),
        ("are listed twice", {name: 0 for name in names if names.count(name) > 1}),
        ("are not listed", [model for model in models if model not in names]),
    ]
    for what, which in faults:
        found = list(which)
        if found:
            raise DataError(
                f"{path} must list each model once; {len(found):,} {what}: {', '.join(found[:3])}"
                f"{', …' if len(found) > 3 else ''}",
                file=path,
                column="model",
                value=found[0],
                count=len(found),
                parameter="along",
            )
    return names


def _compared(
    session: Session,
    models: list[str],
    options: _Options,
    rule: str | None,
    *,
    has_agreement: bool = True,
) -> Comparison:
    """Compare the models of a prepared session, in this order."""
    con = session.con
    pairs = None if options.along is None else list(zip(models[1:], models, strict=False))
    judged = settle(session, models, pairs)
    _require_common_images(con, models, pairs)
    q, common = _cochran_q(session, models, judged)
    # Of a series the later model comes first in a pair: a gain is positive.
    places = range(len(models)) if pairs is None else range(len(models), 0, -1)
    con.execute("create table compared (model varchar, place integer)")
    con.execute("insert into compared select unnest($1), unnest($2)", [models, list(places)])
    con.execute(f"create table turned as {TURNED.format(key='c.label_set', source='comparison')}")
    if options.se != "images":
        _use_errors(con, options.se)
    has_agreement &= len(models) <= MANY
    agreeing = "model_agreement" if has_agreement else "model_agreement limit 0"
    con.execute(f"create table agreeing as from {agreeing}")
    con.execute(f"create table pairs as {_PAIRS}")
    groups = () if pairs else _groups(con)
    con.execute(
        """
        create table models as
        select
            l.model,
            l.real_accuracy,
            l.real_accuracy_low,
            l.real_accuracy_high,
            l.scored_images,
            l.original_accuracy,
            l.real_rank,
            r.rank_low,
            r.rank_high,
            g.groups
        from leaderboard as l
        inner join compared as c on l.model = c.model
        left join rank_intervals as r on l.model = r.model and r.label_set = 'real' and $3
        left join (select unnest($1) as model, unnest($2) as groups) as g on l.model = g.model
        order by l.real_rank nulls last, c.place
        """,
        [models, [_letters(model, groups) for model in models], pairs is None],
    )
    found: dict[str, Any] = {}
    if options.by is not None:
        rows = by_groups(session, options.by)
        is_stored = breakdowns.grouping_of(options.by) is not None
        key = ("grouping", "group_name") if is_stored else (rows.columns[0],)
        found["groups_of_images"] = stated(rows, session.rules, key)
    if options.images:
        rows = _flips(con, _images_view(session.rules))
        found["images"] = stated(rows, session.rules, ("model_a", "model_b"))
    if pairs is not None:
        found["steps"] = stated(_steps(con), session.rules)
    return Comparison(
        models=stated(con.table("models"), session.rules),
        pairs=stated(con.table("pairs"), session.rules, ("model_a", "model_b")),
        rule=rule,
        groups=groups,
        cochran_q=q,
        common_images=common,
        **found,
    )


def settle(
    session: Session, models: Sequence[str], pairs: Sequence[tuple[str, str]] | None = None
) -> Judged | None:
    """Compute the views `paired_counts` and `paired_tests` now, of the named pairs or of all.

    Of many models that is done with an array, which is returned.
    """
    con = session.con
    if len(models) > MANY:
        from ..stats import judged

        found = _read(session, models)
        # A pair for each two models: what is above the limit DuckDB writes to temporary files.
        con.execute("set memory_limit = '500MB'")
        tables = judged.tables(found, pairs)
        for name in ("paired_counts", "paired_tests"):
            catalog.replace(con, name, con.from_arrow(tables.pop(0)))
        return found
    catalog.keep(con, "paired_counts")
    if pairs is not None:
        con.execute(
            "create temp table wanted as select unnest($1) as a, unnest($2) as b",
            [*map(list, zip(*pairs, strict=True))],
        )
        con.execute(
            """
            delete from paired_counts
            where not exists (
                from wanted
                where (a = model_a and b = model_b) or (a = model_b and b = model_a)
            )
            """
        )
    catalog.keep(con, "paired_tests")
    return None


def _read(session: Session, models: Sequence[str]) -> Judged:
    """Judge the models by the rules of the session, as an array."""
    from ..stats import judged

    choices = judged.choices(session.con)
    with Session(session.store, views=["scored_predictions"], rules=session.rules) as probe:
        judged.insert_probes(probe.con, choices)
        cells = judged.cells(probe.prepare().con, IMAGES, CLASSES)
    return judged.read(session.con, models, cells)


def _cochran_q(
    session: Session, models: Sequence[str], found: Judged | None
) -> tuple[CochranQ | None, int | None]:
    """Return Cochran's Q of more than two models, and on how many images; None without any."""
    from ..stats import judged

    if len(models) < 3:
        return None, None
    q, images = judged.cochran_q(found or judged.read_few(session.con, models, IMAGES))
    return (q, images) if images else (None, None)


def _require_common_images(
    con: duckdb.DuckDBPyConnection, models: Sequence[str], pairs: Sequence[tuple[str, str]] | None
) -> None:
    """Raise DataError where two models that are to be compared have no scored image in common."""
    expected = len(models) * (len(models) - 1) // 2 if pairs is None else len(pairs)
    real = con.table("paired_counts").filter("label_set = 'real'")
    ((number,),) = real.count("*").fetchall()
    if number == expected:
        return
    there = {frozenset(row) for row in real.select("model_a, model_b").fetchall()}
    missing = next(
        (a, b)
        for a, b in pairs or ((a, b) for at, a in enumerate(models) for b in models[at + 1 :])
        if frozenset((a, b)) not in there
    )
    raise DataError(
        f"{expected - number:,} pairs of models have no image with labels in common: "
        f"{missing[0]} and {missing[1]}",
        column="model",
        value=missing[0],
        count=expected - number,
        remedy="Leave out one of them",
    )


def _use_errors(con: duckdb.DuckDBPyConnection, se: str) -> None:
    """Put the standard errors that resample classes, and their intervals, into the pairs."""
    con.execute(
        f"""
        update turned as t
        set
            standard_error = e.{_ERRORS[se]},
            difference_low = t.difference - {_Z} * e.{_ERRORS[se]},
            difference_high = t.difference + {_Z} * e.{_ERRORS[se]}
        from paired_errors as e
        where
            t.label_set = e.label_set
            and least(t.model_a, t.model_b) = e.model_a
            and greatest(t.model_a, t.model_b) = e.model_b
        """  # noqa: S608, names of columns and a number
    )
    ((without,),) = con.execute(
        "select count(*) from images where original_label is null"
    ).fetchall()
    if without:
        warnings.warn(
            f"{counted(without, 'image has', 'images have')} no original label, and so no class: "
            "the standard error leaves them out",
            RealdbWarning,
            stacklevel=5,
        )


def _groups(con: duckdb.DuckDBPyConnection) -> tuple[tuple[str, ...], ...]:
    import numpy as np

    from ..stats import paired

    ranked = con.execute(
        "select l.model from leaderboard as l inner join compared as c on l.model = c.model "
        "order by l.real_rank nulls last, c.place"
    ).fetchall()
    names = [name for (name,) in ranked]
    is_apart = np.zeros((len(names), len(names)), np.bool_)
    apart = con.execute(
        """
        select f.place as one, s.place as other
        from paired_tests as t
        inner join (select unnest($1) as model, unnest($2) as place) as f on t.model_a = f.model
        inner join (select unnest($1) as model, unnest($2) as place) as s on t.model_b = s.model
        where t.label_set = 'real' and t.holm_p < $3
        """,
        [names, list(range(len(names))), LEVEL],
    ).fetchnumpy()
    is_apart[apart["one"], apart["other"]] = True
    is_apart |= is_apart.T
    return tuple(paired.groups(names, is_apart))


def _letters(model: str, groups: Sequence[Sequence[str]]) -> str | None:
    """Return the groups that a model is in, as letters: a to z, then aa, ab and so on."""
    found = []
    for at, group in enumerate(groups):
        if model in group:
            found.append(_letter(at))
    return ",".join(found) or None


def _letter(at: int) -> str:
    return (_letter(at // 26 - 1) if at >= 26 else "") + chr(ord("a") + at % 26)


def by_groups(
    session: Session, by: str, models: Sequence[str] | None = None
) -> duckdb.DuckDBPyRelation:
    """Return the pairs within each group of images, those that differ most clearly first.

    `models` are those whose pairs are compared and corrected for. The next call replaces the rows.
    """
    from ..stats import paired

    con = session.con
    con.execute(
        """
        create or replace table group_counts as
        from paired_counts_by_group
        where
            label_set = 'real'
            and "grouping" = $1
            and ($2 is null or (list_contains($2, model_a) and list_contains($2, model_b)))
        """,
        [by, None if models is None else [*models]],
    )
    key = ("label_set", "group_name", "model_a", "model_b")
    tests = paired.select_tests("group_counts", key)
    con.execute(f"create or replace table group_tests as {tests}")
    con.execute(
        f"""
        create or replace view tested_groups as
        select c.*, t.* exclude ({", ".join(key)})
        from group_counts as c
        inner join group_tests as t using ({", ".join(key)})
        """  # noqa: S608, names of columns
    )
    turned = TURNED.format(key="c.group_name", source="tested_groups")
    columns = f"t.group_name as {quoting.identifier(by.replace('-', '_'))}"
    if breakdowns.grouping_of(by):
        columns = f"{quoting.literal(by)} as grouping, t.group_name"
    has_names = by == "class" and "classes" in session.store.tables
    name = "k.name" if has_names else "cast(null as varchar)"
    join = "left join classes as k on cast(k.label as varchar) = t.group_name" if has_names else ""
    con.execute(
        f"""
        create or replace table groups_of_images as
        select
            {columns},
            {name} as name,
            t.* exclude (group_name, place_a, place_b, exact_p, log10_exact_p)
        from ({turned}) as t
        {join}
        order by t.log10_mid_p, t.place_a, t.place_b, t.group_name
        """  # noqa: S608, names of columns
    )
    rows = con.table("groups_of_images")
    return rows if has_names else rows.select("* exclude (name)")


def _flips(con: duckdb.DuckDBPyConnection, view: str) -> duckdb.DuckDBPyRelation:
    """Return the images that only one of two models gets right, in the order of the models."""
    columns = catalog.find(view).about.columns
    sided = [name for name in columns if name.endswith(("_a", "_b"))]
    turned = ", ".join(
        f"case when a.place < b.place then f.{name} else f.{_other(name)} end as {name}"
        for name in sided
    )
    con.execute(
        f"""
        create table images_of_one as
        select f.* replace ({turned})
        from {view} as f
        inner join compared as a on f.model_a = a.model
        inner join compared as b on f.model_b = b.model
        order by least(a.place, b.place), greatest(a.place, b.place), f.image_id
        """  # noqa: S608, names of columns
    )
    return con.table("images_of_one")


def _other(name: str) -> str:
    return name[:-1] + ("b" if name.endswith("a") else "a")


def _steps(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
    """Return the models of a series in order, each with its difference from the one before."""
    con.execute(
        """
        create table steps as
        select
            c.model,
            m.real_accuracy,
            m.real_accuracy_low,
            m.real_accuracy_high,
            m.scored_images,
            m.original_accuracy,
            p.model_b as previous_model,
            p.images as common_images,
            p.only_a_right as gained_images,
            p.only_b_right as lost_images,
            p.difference,
            p.standard_error,
            p.difference_low,
            p.difference_high,
            p.mid_p,
            p.log10_mid_p,
            p.holm_p,
            p.log10_holm_p
        from compared as c
        inner join models as m on c.model = m.model
        left join pairs as p on c.model = p.model_a
        order by c.place desc
        """
    )
    return con.table("steps")
