"""The rows of the charts, asked of a session, and the captions that state their rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError
from . import compare
from .rules import PUBLISHED_THRESHOLD, Rules

if TYPE_CHECKING:
    import pyarrow as pa

    from .session import Session

WILSON = "Bars are 95 % intervals (Wilson)."


class NoChartError(DataError):
    """A chart is not possible: the message is the reason."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of single charts: see `realdb.charts`."""

    by: str = "animal"
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
    return rules.is_published and rules.empty == "skip"


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
    default = "wrong" if rules.chosen.is_consensus else "skip"
    how = {
        "skip": ", unlabeled images left out",
        "wrong": ", unlabeled images wrong",
        "original": ", unlabeled images by original label",
    }[str(rules.empty)]
    return f"Accuracy by {labels_of(rules)}{how if rules.empty != default else ''}"


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
    caption = f"{rule_of(asked.rules)} {WILSON} On the dashed line both accuracies are equal."
    return Found(rows, caption, {"measure": measure_of(asked.rules)})


def thresholds(asked: Asked) -> Found:
    """Return the accuracy of each model at 99 thresholds."""
    rows = asked.ask(
        """
        select *
        from accuracy_by_threshold
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
        "images change with the threshold (below)."
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
        where c.method in ('published', 'majority', 'original')
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
    rows = asked.ask(
        """
        select c.*, s.expected_calibration_error
        from calibration as c
        inner join calibration_summary as s on c.model = s.model and c.label_set = s.label_set
        order by list_position($models, c.model), c.label_set desc, c.bin
        """
    )
    caption = (
        "Confidence of the first choice in 15 bins of equal width. Below the dashed line a model "
        f"is right less often than it is confident. {rule_of(asked.rules)}"
    )
    return Found(rows, caption, {"labels": labels_of(asked.rules)})
