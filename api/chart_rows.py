"""The rows of the charts, asked of a session, and the captions that state their rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, UsageError, counted, did_you_mean
from ..schema import quoting
from ..stats import paired
from . import background as backgrounds
from . import breakdowns, compare
from .rules import PUBLISHED_THRESHOLD, Rules

if TYPE_CHECKING:
    import pyarrow as pa

    from .session import Session

# The models whose pairs are all shown: 6 models have 15 pairs.
MOST_IN_PAIRS = 6
MOST_ROWS = 60
# The classes at each end, and those of the confusions: by default, and at most.
MOST_CLASSES = 10
MOST_CONFUSED, MOST_NAMED = 10, 30
MOST_PANELS, MOST_HEATMAPS = 12, 4
# The series that colours and shapes distinguish (see report/theme.py).
MOST_SERIES = 8
# Classes by their first name, with the class id where several classes have the same first name.
_NAMED_CLASSES = """
    first_names as (
        select label, name, coalesce(split_part(name, ',', 1), wordnet_id) as first_name
        from classes
    ),

    named_classes as (
        select
            label,
            name,
            case
                when first_name is null then cast(label as varchar)
                when count(*) over (partition by first_name) > 1
                    then first_name || ' (' || cast(label as varchar) || ')'
                else first_name
            end as class
        from first_names
    )
"""
WILSON = "Bars are 95 % intervals (Wilson)."


class NoChartError(DataError):
    """A chart is not possible: the message is the reason."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of single charts: see `realdb.charts`."""

    by: str | None = None
    along: str | Path = compare.NATURAL
    background: str | Path | None = None
    classes: tuple[str, ...] = ()
    label_set: str | None = None


@dataclass(frozen=True)
class Asked:
    """What a chart is about: a prepared session, the models in their order, and the options."""

    session: Session
    models: tuple[str, ...]
    options: Options

    @property
    def rules(self) -> Rules:
        """The rules by which predictions are judged."""
        return self.session.rules

    def ask(self, query: str, **values: object) -> pa.Table:
        """Return the rows of a query; `$models` are the models in their order."""
        if "$models" in query:
            values["models"] = [*self.models]
        return self.session.con.sql(query, params=values or None).to_arrow_table()


@dataclass(frozen=True)
class Found:
    """The rows of a chart, its caption, and the arguments of its function in report/charts.py."""

    rows: pa.Table
    caption: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


def is_real(rules: Rules) -> bool:
    """Return whether the accuracy is the published ReaL accuracy."""
    return rules.is_published and rules.empty == "skip" and rules.average == "micro"


def is_empty_default(rules: Rules) -> bool:
    """Return whether images without labels count as they do by default."""
    return rules.empty == ("wrong" if rules.chosen.is_consensus else "skip")


def labels_of(rules: Rules) -> str:
    """Return the name of the labels that judge, for an axis or a legend."""
    if rules.is_published:
        return "ReaL labels" if rules.empty == "skip" else "labels of real.json"
    threshold = f"threshold {rules.threshold:g}" if rules.threshold is not None else ""
    if rules.chosen.is_real:
        source = f" of {Path(rules.scores).name}" if rules.scores is not None else ""
        at = f" at {threshold}" if rules.is_by_score else ""
        name = f"labels{source}{at}" if source or at else "labels of real.json"
    else:
        name = f"{rules.labels} labels"
    return f"{name} in groups of {rules.match}" if rules.match is not None else name


def measure_of(rules: Rules) -> str:
    """Return the name of the accuracy, for an axis. Only the published one is ReaL accuracy."""
    if is_real(rules):
        return "ReaL accuracy"
    how = {
        "skip": ", unlabeled images left out",
        "wrong": ", unlabeled images wrong",
        "original": ", unlabeled images by original label",
    }[str(rules.empty)]
    mean = ", mean of the classes" if rules.average == "class" else ""
    return f"Accuracy by {labels_of(rules)}{'' if is_empty_default(rules) else how}{mean}"


def rule_of(rules: Rules) -> str:
    """Return the rule by which a prediction is right, as sentences of a caption."""
    if is_real(rules):
        return (
            "ReaL accuracy: the first choice is among the image's ReaL labels (score of at least "
            f"{PUBLISHED_THRESHOLD}); images without ReaL labels are left out."
        )
    return f"Judged by {labels_of(rules)}: {rules.text}."


def accuracy(asked: Asked) -> Found:
    """Return the accuracy of each model, and of the models of a background."""
    rows = asked.ask(
        """
        select
            model,
            cast(null as varchar) as source,
            original_accuracy,
            real_accuracy,
            real_accuracy_low,
            real_accuracy_high,
            scored_images
        from accuracy
        where real_accuracy is not null and original_accuracy is not null
        order by list_position($models, model)
        """
    )
    caption = rule_of(asked.rules)
    if rows.num_rows > MOST_SERIES:
        caption += " Names are left out where there is no room."
    else:
        caption += f" {WILSON} On the dashed line both accuracies are equal."
    background = asked.options.background
    if background is not None and rows.num_rows:
        import pyarrow as pa

        if not is_real(asked.rules):
            raise UsageError(
                "`background` has ReaL accuracies, and other labels or rules judge here",
                parameter="background",
                value=background,
                remedy="Leave it out",
            )
        name = Path(background).name
        others = [{**each._asdict(), "source": name} for each in backgrounds.read(background)]
        rows = pa.concat_tables([rows, pa.Table.from_pylist(others)], promote_options="default")
        caption += f" Small points: {counted(len(others), 'model')} of {name}."
    return Found(rows, caption, {"measure": measure_of(asked.rules)})


def thresholds(asked: Asked) -> Found:
    """Return the accuracy of each model at 99 thresholds."""
    rows = asked.ask(
        """
        select *
        from accuracy_by_threshold
        where real_accuracy is not null
        order by list_position($models, model), threshold
        """
    )
    published = (PUBLISHED_THRESHOLD, f"published: {PUBLISHED_THRESHOLD:g}")
    own = asked.rules.threshold
    marked = [published]
    if own is not None and own != PUBLISHED_THRESHOLD:
        marked.append((own, f"{own:g}"))
    caption = (
        "At each threshold an image's labels are its questions with at least this score; an image "
        "that was not rated keeps its original label. Images without a label are left out, so the "
        f"images change with the threshold (below).{_coloured(asked.models)}"
    )
    return Found(rows, caption, {"marked": marked})


def precision_recall(asked: Asked) -> Found:
    """Return the curves of the scores and of the votes, the operating point and the originals."""
    rows = asked.ask(
        """
        select
            c.*,
            case
                when c.method = 'original' then 'original labels'
                when o.method is not null then 'ReaL labels (threshold 0.8)'
            end as point
        from precision_recall as c
        left join operating_points as o on c.method = o.method and c.threshold = o.threshold
        where
            c.method in ('published', 'majority', 'original')
            and c.precision is not null
            and c.recall is not null
        order by c.method, c.threshold
        """
    )
    caption = (
        "The golden questions, with the experts' answers as the truth. The scores weigh the raters "
        "by the same questions, so their curve is too favourable. A maybe counts as half a yes."
    )
    return Found(rows, caption)


def reliability(asked: Asked) -> Found:
    """Return the accuracy at each level of confidence, by both label sets."""
    shown = list(asked.models[:MOST_PANELS])
    rows = asked.ask(
        """
        select c.*, s.expected_calibration_error
        from calibration as c
        inner join calibration_summary as s on c.model = s.model and c.label_set = s.label_set
        where list_contains($shown, c.model)
        order by list_position($shown, c.model), c.label_set desc, c.bin
        """,
        shown=shown,
    )
    left = ""
    if len(asked.models) > MOST_PANELS:
        left = f" The first {MOST_PANELS} of {len(asked.models)} models are shown."
    caption = (
        "Confidence of the first choice in 15 bins of equal width. Below the dashed line a model "
        f"is right less often than it is confident. {rule_of(asked.rules)}{left}"
    )
    return Found(rows, caption, {"labels": labels_of(asked.rules)})


def pairs(asked: Asked) -> Found:
    """Return the differences of the pairs of models; of many models, those from the best."""
    models = settled(asked)
    caption = ""
    if len(models) > MOST_IN_PAIRS:
        best = models[0]
        wanted = [(best, other) for other in models[1:]]
        caption = "Each model is compared with the most accurate one. "
    else:
        models = list(asked.models)
        wanted = [(a, b) for at, a in enumerate(models) for b in models[at + 1 :]]
    if len(wanted) > MOST_ROWS:
        caption += f"The {MOST_ROWS} models nearest to it are shown. "
        wanted = wanted[:MOST_ROWS]
    # From the best model the nearest come first.
    order = "list_position($models, w.a), list_position($models, w.b)"
    if caption:
        order = f"abs(t.difference), {order}"
    rows = asked.ask(
        f"""
        with compared as (
            select unnest($models) as model, unnest(range(len($models))) as place
        ),

        turned as ({compare.TURNED.format(key="c.label_set", source="comparison")}),

        wanted as (select unnest($firsts) as a, unnest($seconds) as b)

        select
            w.a as model_a,
            w.b as model_b,
            t.images,
            case when t.model_a = w.a then t.only_a_right else t.only_b_right end as only_a_right,
            case when t.model_a = w.a then t.only_b_right else t.only_a_right end as only_b_right,
            case when t.model_a = w.a then t.difference else -t.difference end as difference,
            case when t.model_a = w.a then t.difference_low else -t.difference_high end
                as difference_low,
            case when t.model_a = w.a then t.difference_high else -t.difference_low end
                as difference_high,
            t.holm_p,
            t.log10_holm_p
        from turned as t
        inner join wanted as w
            on (t.model_a = w.a and t.model_b = w.b) or (t.model_a = w.b and t.model_b = w.a)
        where t.label_set = 'real'
        order by {order}
        """,  # noqa: S608, names of views and columns
        firsts=[a for a, _ in wanted],
        seconds=[b for _, b in wanted],
    )
    caption += (
        "Difference of the accuracies on the images that both models predict and that have labels. "
        "Bars are 95 % intervals (Newcombe, method 10); p is McNemar's mid-p after Holm's "
        f"correction over all pairs. {rule_of(asked.rules)}"
    )
    return Found(rows, caption, {"measure": measure_of(asked.rules)})


def settled(asked: Asked) -> list[str]:
    """Compute the pairs of models once for the session; return the models, the best first."""
    con = asked.session.con
    kept = "select 1 from duckdb_tables() where table_name = 'paired_counts'"
    if not con.execute(kept).fetchall():
        compare.settle(asked.session, asked.models)
    rows = con.execute(
        """
        select model
        from accuracy
        where real_accuracy is not null and list_contains($models, model)
        order by real_accuracy desc, list_position($models, model)
        """,
        {"models": [*asked.models]},
    )
    return [model for (model,) in rows.fetchall()]


def ranks(asked: Asked) -> Found:
    """Return the rank and rank interval of each model, by both label sets."""
    models = settled(asked)
    rows = asked.ask(
        """
        select
            l.model,
            r.label_set,
            case when r.label_set = 'real' then l.real_rank else l.original_rank end as rank,
            case when r.label_set = 'real' then l.real_accuracy else l.original_accuracy end
                as accuracy,
            r.rank_low,
            r.rank_high,
            r.compared_models
        from leaderboard as l
        inner join rank_intervals as r on l.model = r.model
        where list_contains($models, l.model)
        order by l.real_rank nulls last, l.model, r.label_set desc
        """
    )
    caption = (
        "Points are ranks by accuracy. Bars are the ranks that the tests allow: McNemar's mid-p "
        "with Holm's correction over all pairs of models, at the level 0.05. "
        f"{rule_of(asked.rules)}"
    )
    if len(models) < len(asked.models):
        left = len(asked.models) - len(models)
        caption += f" {counted(left, 'model')} without a scored image left out."
    return Found(rows, caption, {"labels": labels_of(asked.rules)})


def class_changes(asked: Asked) -> Found:
    """Return the classes that gain and lose most from the original labels to those that judge."""
    model = asked.models[0]
    rows = asked.ask(
        f"""
        with {_NAMED_CLASSES},

        ordered as (
            select
                c.*,
                row_number() over (order by c.accuracy_change desc, c.label) as from_above,
                row_number() over (order by c.accuracy_change, c.label desc) as from_below
            from class_changes as c
            where c.model = $model
        )

        select
            o.model,
            o.label,
            n.class,
            o.name,
            o.scored_images,
            o.original_accuracy,
            o.real_accuracy,
            o.accuracy_change,
            o.gained_images,
            o.lost_images
        from ordered as o
        inner join named_classes as n on o.label = n.label
        where
            (o.from_above <= $most and o.accuracy_change > 0)
            or (o.from_below <= $most and o.accuracy_change < 0)
        order by o.from_above
        """,  # noqa: S608, names of views and columns
        model=model,
        most=MOST_CLASSES,
    )
    caption = (
        f"The accuracy of {model} in the classes that gain and lose most, on the images with "
        f"labels. A class is the original label of an image. {rule_of(asked.rules)}"
    )
    return Found(rows, caption, {"measure": measure_of(asked.rules)})


def class_differences(asked: Asked) -> Found:
    """Return the classes in which the first model differs most from the second."""
    a, b = asked.models[:2]
    con = asked.session.con
    con.execute(
        """
        create or replace temp table chart_counts as
        select
            group_name,
            label_set,
            $a as model_a,
            $b as model_b,
            images,
            both_right,
            case when model_a = $a then only_a_right else only_b_right end as only_a_right,
            case when model_a = $a then only_b_right else only_a_right end as only_b_right,
            both_wrong
        from paired_counts_by_group
        where
            "grouping" = 'class'
            and label_set = 'real'
            and ((model_a = $a and model_b = $b) or (model_a = $b and model_b = $a))
        """,
        {"a": a, "b": b},
    )
    paired.create_function(con)
    rows = asked.ask(
        f"""
        with {_NAMED_CLASSES},

        tested as ({paired.select_tests("chart_counts", ("group_name", *paired.PAIR))}),

        ordered as (
            select
                c.*,
                t.difference,
                t.difference_low,
                t.difference_high,
                t.holm_p,
                t.log10_holm_p,
                row_number() over (order by t.difference desc, c.group_name) as from_above,
                row_number() over (order by t.difference, c.group_name) as from_below
            from chart_counts as c
            inner join tested as t on c.group_name = t.group_name
        )

        select
            o.model_a,
            o.model_b,
            n.label,
            n.class,
            n.name,
            o.images,
            o.only_a_right,
            o.only_b_right,
            o.difference,
            o.difference_low,
            o.difference_high,
            o.holm_p,
            o.log10_holm_p
        from ordered as o
        inner join named_classes as n on o.group_name = cast(n.label as varchar)
        where
            (o.from_above <= $most and o.difference > 0)
            or (o.from_below <= $most and o.difference < 0)
        order by o.difference desc, n.label
        """,  # noqa: S608, names of views and columns
        most=MOST_CLASSES,
    )
    caption = (
        f"Accuracy of {a} minus accuracy of {b} in the classes where they differ most, on the "
        "images that both predict and that have labels. Bars are 95 % intervals (Newcombe, method "
        "10), without a correction for the choice of the classes; p is McNemar's mid-p after "
        f"Holm's correction over all classes. {rule_of(asked.rules)}"
    )
    return Found(rows, caption, {"measure": measure_of(asked.rules)})


def groups(asked: Asked) -> Found:
    """Return the accuracy of each model in groups of images."""
    by = asked.options.by or "animal"
    breakdowns.require_rules(by, asked.rules)
    shown, left = _first(asked.models)
    if by == "animal":
        source = "accuracy_by_animal"
        name = "case when is_animal then 'animal' else 'object' end"
        order = "not is_animal"
    elif by == "label-count":
        source, name, order = (
            "accuracy_by_label_count",
            "cast(label_count as varchar)",
            "label_count",
        )
    else:
        _require_grouping(asked, by)
        source, name, order = "accuracy_by_group", "group_name", "group_name"
    where = "" if source != "accuracy_by_group" else f'and "grouping" = {quoting.literal(by)}'
    rows = asked.ask(
        f"""
        select
            model,
            {name} as group_name,
            real_accuracy,
            real_accuracy_low,
            real_accuracy_high,
            original_accuracy,
            correct_images,
            scored_images
        from {source}
        where real_accuracy is not null and list_contains($shown, model) {where}
        order by {order}, list_position($shown, model)
        """,  # noqa: S608, names of views and columns
        shown=shown,
    )
    caption = f"{WILSON} {rule_of(asked.rules)}{left}"
    title = {"animal": "Images", "label-count": "Number of labels"}.get(by, by)
    return Found(rows, caption, {"measure": measure_of(asked.rules), "group": title})


def factors(asked: Asked) -> Found:
    """Return the error ratio of each model in groups of images."""
    by = asked.options.by or "factor"
    if by in breakdowns.BY:
        raise UsageError(
            f"`by` is {by!r}; error ratios are for stored groupings, such as factor",
            parameter="by",
            value=by,
        )
    _require_grouping(asked, by)
    shown, left = _first(asked.models)
    rows = asked.ask(
        """
        select
            model,
            group_name,
            error_ratio,
            error_ratio_low,
            error_ratio_high,
            real_accuracy,
            grouping_accuracy,
            scored_images
        from accuracy_by_group
        where
            "grouping" = $by
            and error_ratio > 0
            and scored_images > 0
            and list_contains($shown, model)
        order by group_name, list_position($shown, model)
        """,
        by=by,
        shown=shown,
    )
    caption = (
        "Error ratio: the error rate in the group divided by that on all images of the grouping. "
        "Right of the dashed line a model errs more often in the group. Bars are 95 % intervals "
        f"(delta method on the logarithm). {rule_of(asked.rules)}{left}"
    )
    return Found(rows, caption, {"group": by})


def _coloured(models: tuple[str, ...]) -> str:
    """Return a note on the models that no colour is left for."""
    if len(models) <= MOST_SERIES:
        return ""
    return f" The first {MOST_SERIES} of {len(models)} models have colours; the others are grey."


def _first(models: tuple[str, ...]) -> tuple[list[str], str]:
    """Return as many models as colours can distinguish, and a note on the others."""
    left = len(models) - MOST_SERIES
    note = f" The first {MOST_SERIES} of {len(models)} models are shown." if left > 0 else ""
    return list(models[:MOST_SERIES]), note


def _require_grouping(asked: Asked, by: str) -> None:
    """Raise NoChartError where no grouping is stored, UsageError where none has this name."""
    stored = breakdowns.groupings(asked.session.con)
    if by == "factor" and by not in stored:
        raise NoChartError(
            "the store has no factors of images",
            parameter="by",
            value=by,
            remedy="Add those of ImageNet-X with: realdb labels add imagenet-x",
        )
    breakdowns.original_for(by, stored)


def label_sets(asked: Asked) -> Found:
    """Return the rank of each model by each label set."""
    rows = asked.ask(
        """
        select *
        from ranks_by_label_set
        where list_contains($models, model)
        order by
            label_set <> 'real',
            label_set <> 'original',
            label_set,
            label_set_rank,
            list_position($models, model)
        """
    )
    note = _coloured(asked.models)
    caption = (
        "The accuracy by a label set is the share of first choices among its correct labels, on "
        "the images that have one. The sets judge different images. Equal accuracies share a rank. "
        f"Tooltips say whether the tests exclude the rank by the ReaL labels.{note}"
    )
    rules = asked.rules
    real = "real" if rules.is_published else f"real@{rules.threshold:g}"
    return Found(rows, caption, {"real": real})


def checkpoints(asked: Asked) -> Found:
    """Return the models in order, each with its accuracy and the difference from the one before."""
    models = compare.in_order(asked.models, asked.options.along)
    con = asked.session.con
    con.execute(
        """
        create or replace temp table chart_counts as
        with compared as (select unnest($models) as model, unnest(range(len($models))) as place)

        select
            p.label_set,
            p.model_a,
            p.model_b,
            p.images,
            p.both_right,
            p.only_a_right,
            p.only_b_right,
            p.both_wrong,
            a.place > b.place as is_a_later
        from paired_counts as p
        inner join compared as a on p.model_a = a.model
        inner join compared as b on p.model_b = b.model
        where p.label_set = 'real' and abs(a.place - b.place) = 1
        """,
        {"models": models},
    )
    paired.create_function(con)
    rows = asked.ask(
        f"""
        with tested as ({paired.select_tests("chart_counts", paired.PAIR)}),

        steps as (
            select
                case when c.is_a_later then c.model_a else c.model_b end as model,
                case when c.is_a_later then c.model_b else c.model_a end as previous_model,
                case when c.is_a_later then t.difference else -t.difference end as difference,
                case when c.is_a_later then t.difference_low else -t.difference_high end
                    as difference_low,
                case when c.is_a_later then t.difference_high else -t.difference_low end
                    as difference_high,
                t.holm_p,
                t.log10_holm_p
            from chart_counts as c
            inner join tested as t on c.model_a = t.model_a and c.model_b = t.model_b
        )

        select
            a.model,
            list_position($ordered, a.model) as place,
            a.real_accuracy,
            a.real_accuracy_low,
            a.real_accuracy_high,
            a.original_accuracy,
            a.scored_images,
            s.previous_model,
            s.difference,
            s.difference_low,
            s.difference_high,
            s.holm_p,
            s.log10_holm_p
        from accuracy as a
        left join steps as s on a.model = s.model
        where list_contains($ordered, a.model) and a.real_accuracy is not null
        order by place
        """,  # noqa: S608, names of views and columns
        ordered=models,
    )
    caption = (
        f"{WILSON} A round point: the model differs from the one before (McNemar's mid-p after "
        "Holm's correction over the steps, at the level 0.05), on the images of both. "
        f"{rule_of(asked.rules)}"
    )
    return Found(rows, caption, {"measure": measure_of(asked.rules)})


def raters(asked: Asked) -> Found:
    """Return the raters who answered golden questions."""
    rows = asked.ask(
        """
        select rater_id, sensitivity, specificity, votes, golden_answers, log_loss
        from rater_quality
        where sensitivity is not null and specificity is not null
        order by rater_id
        """
    )
    ((every,),) = asked.session.view("rater_quality").count("*").fetchall()
    left = every - rows.num_rows
    caption = (
        "The raters' answers to the golden questions; the experts' answers are the truth. A maybe "
        f"counts as wrong. {counted(left, 'rater')} without golden answers left out."
    )
    return Found(rows, caption)


def scores(asked: Asked) -> Found:
    """Return the distribution of the scores among the verdicts of a label set."""
    con = asked.session.con
    sets = con.execute(
        """
        select label_set
        from scores_by_verdict
        group by label_set
        order by sum(questions) desc, label_set
        """
    ).fetchall()
    names = [name for (name,) in sets]
    name = asked.options.label_set or (names[0] if names else "")
    if not names:
        raise NoChartError(
            "no label set of the store has verdicts on labels with a score",
            parameter="label_set",
            count=0,
            remedy="Add one with: realdb labels add multilabel-v3",
        )
    if name not in names:
        raise UsageError(
            f"the label set {name!r} has no verdicts on labels with a score",
            parameter="label_set",
            value=name,
            remedy=did_you_mean(name, names, f"Use one of {', '.join(names)}"),
        )
    rows = asked.ask(
        """
        select *
        from scores_by_verdict
        where label_set = $name
        order by
            array_position(['correct', 'unclear', 'wrong'], verdict),
            score_from
        """,
        name=name,
    )
    caption = (
        f"The labels that raters were asked about and that {name} judges, by its verdict, in "
        "ranges of the published score. The dashed line is the published threshold, 0.8."
    )
    return Found(rows, caption, {"threshold": PUBLISHED_THRESHOLD})


def confusions(asked: Asked) -> Found:
    """Return how often each model predicts one of some classes instead of another."""
    shown = list(asked.models[:MOST_HEATMAPS])
    labels = _classes(asked, shown)
    rows = asked.ask(
        f"""
        with {_NAMED_CLASSES},

        wanted as (
            select n.label, n.class, list_position($labels, n.label) as place
            from named_classes as n
            where list_contains($labels, n.label)
        )

        select
            m.model,
            a.label,
            a.class,
            b.label as predicted_label,
            b.class as predicted_class,
            coalesce(c.images, 0) as images
        from (select unnest($shown) as model) as m
        cross join wanted as a
        cross join wanted as b
        left join confusions as c
            on m.model = c.model and a.label = c.label and b.label = c.predicted_label
        where a.label <> b.label
        order by list_position($shown, m.model), a.place, b.place
        """,  # noqa: S608, names of views and columns
        labels=labels,
        shown=shown,
    )
    left = len(asked.models) - len(shown)
    caption = (
        "Images with a label (row) whose first choice is another class (column) and wrong; an "
        "image with several labels counts for each. On the diagonal a choice is right. "
        f"{rule_of(asked.rules)}"
        + (f" The first {MOST_HEATMAPS} models are shown." if left else "")
    )
    return Found(rows, caption, {"labels": labels_of(asked.rules)})


def _classes(asked: Asked, models: list[str]) -> list[int]:
    """Return the classes that are named, or those of the most frequent confusions."""
    con = asked.session.con
    if not asked.options.classes:
        found = con.execute(
            """
            select label, predicted_label
            from confusions
            where list_contains($1, model)
            group by label, predicted_label
            order by sum(images) desc, label, predicted_label
            limit 100
            """,
            [models],
        ).fetchall()
        often: list[int] = []
        for pair in found:
            new = [label for label in pair if label not in often]
            often += new if len(often) + len(new) <= MOST_CONFUSED else []
        return often
    rows = con.execute("select label, wordnet_id, name from classes order by label").fetchall()
    spellings: dict[str, list[int]] = {}
    for label, wordnet_id, name in rows:
        own = {str(label), str(wordnet_id), str(name).lower()}
        own |= {part.strip().lower() for part in str(name).split(",")}
        for spelling in own:
            spellings.setdefault(spelling, []).append(label)
    labels: list[int] = []
    for text in asked.options.classes:
        meant = spellings.get(text.strip().lower(), [])
        if len(meant) != 1:
            several = f"means {len(meant)} classes: {', '.join(map(str, meant))}"
            raise UsageError(
                f"the class {text!r} {several if meant else 'does not exist'}",
                parameter="classes",
                value=text,
                count=len(meant),
                remedy="Use the class id"
                if meant
                else did_you_mean(text, spellings, "Use class ids, WordNet ids or names"),
            )
        labels += meant
    labels = list(dict.fromkeys(labels))
    if not 2 <= len(labels) <= MOST_NAMED:
        raise UsageError(
            f"`classes` names {counted(len(labels), 'class', 'classes')}; a chart shows 2 to "
            f"{MOST_NAMED}",
            parameter="classes",
            count=len(labels),
        )
    return labels
