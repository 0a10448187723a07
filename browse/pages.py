"""The pages: each function looks up what its template shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.responses import RedirectResponse, Response

from ..api.explain import Assessment, Explanation, Flag, Question, Vote
from ..errors import RealdbError, UsageError, did_you_mean
from ..queries import catalog
from ..schema.tables import COMPUTED, IMAGES, TABLES, header_of, sql_path
from . import console as consoles
from . import images
from .html import Html
from .images import Selection
from .pictures import SIZES, Pictures
from .prepared import Prepared, Watch

if TYPE_CHECKING:
    from starlette.requests import Request

    from .console import Console

_MOST_ROWS = 200
_FEW = 24
# The classes on a page.
_CLASSES = 100
_CLASS_PAGES = 10


class NotFoundError(RealdbError):
    """There is no such page."""


@dataclass
class Site:
    """What the pages are made from."""

    watch: Watch
    pictures: Pictures | None
    console: Console
    html: Html

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        """Return a page."""
        values |= {
            "prepared": self.watch.current,
            "notice": self.watch.notice,
            "path": request.url.path,
            "pictures": self.pictures,
        }
        return Response(
            self.html.render(template, **values), status, media_type="text/html; charset=utf-8"
        )


Page = Callable[[Site, "Request"], Response]


class Column(NamedTuple):
    """A column of a table: the key of its values, its title, and how they are shown."""

    key: str
    title: str
    kind: str = "text"


# Images


def start(_: Site, __: Request) -> Response:
    """Lead to the first page."""
    return RedirectResponse("/images")


def grid(site: Site, request: Request) -> Response:
    """Show the images of a selection."""
    prepared = site.watch.current
    selection, page = images.read(request.query_params.multi_items(), prepared)
    found = images.ids(prepared, selection)
    pages = max(1, -(-len(found) // images.PAGE))
    if page > pages:
        raise NotFoundError(
            f"there is no page {page}: {len(found):,} images have {pages:,} pages", value=page
        )
    first = (page - 1) * images.PAGE
    return site.page(
        request,
        "images.html",
        selection=selection,
        described=images.described(prepared, selection),
        facets=images.facets(prepared, selection),
        orders=images.ORDERS,
        cards=images.cards(prepared, found[first : first + images.PAGE].tolist()),
        total=len(found),
        first=first,
        page=page,
        pages=pages,
    )


def exported(site: Site, request: Request) -> Response:
    """Send the images of a selection as CSV or Parquet."""
    prepared = site.watch.current
    selection, _ = images.read(request.query_params.multi_items(), prepared)
    form = request.url.path.rpartition(".")[2]
    content = images.file(prepared, selection, form)
    return _download(content, f"images.{form}")


def _download(content: bytes, name: str) -> Response:
    kind = "text/csv; charset=utf-8" if name.endswith("csv") else "application/vnd.apache.parquet"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=kind, headers=headers)


def image(site: Site, request: Request) -> Response:
    """Show one image, with its votes, scores and predictions."""
    prepared = site.watch.current
    image_id = _number(request, "image_id", 1, IMAGES, "image")
    selection, _ = images.read(request.query_params.multi_items(), prepared)
    before, after, place, total = _neighbours(prepared, selection, image_id)
    explained, groups, choices = explanation(prepared, image_id)
    return site.page(
        request,
        "image.html",
        image=explained,
        label_sets=_label_sets(explained),
        groups=groups,
        choices=choices,
        real={*explained.labels},
        selection=selection,
        described=images.described(prepared, selection),
        before=before,
        after=after,
        place=place,
        grid_page=1 + (place - 1) // images.PAGE if place else 1,
        total=total,
    )


def _neighbours(
    prepared: Prepared, selection: Selection, image_id: int
) -> tuple[int | None, int | None, int | None, int]:
    """Return the images before and after, the place from 1, and the number of the selection."""
    found = images.ids(prepared, selection)
    places = (found == image_id).nonzero()[0]
    if not len(places):
        return None, None, None, len(found)
    place = int(places[0])
    before = int(found[place - 1]) if place else None
    after = int(found[place + 1]) if place + 1 < len(found) else None
    return before, after, place + 1, len(found)


def _label_sets(explained: Explanation) -> dict[str, list[Any]]:
    """Return the verdicts of each added label set."""
    found: dict[str, list[Any]] = {}
    for assessment in explained.assessments:
        found.setdefault(assessment.label_set, []).append(assessment)
    order = {"correct": 0, "unclear": 1, "wrong": 2}
    for verdicts in found.values():
        verdicts.sort(key=lambda each: (order.get(each.verdict, 3), each.label))
    return found


def explanation(
    prepared: Prepared, image_id: int
) -> tuple[Explanation, dict[str, list[str]], dict[str, list[dict[str, Any]]]]:
    """Return what `realdb.explain` returns of an image, its groups, and the models' choices.

    The explanation has no models: the choices have further ranks of them.
    """
    (row,) = prepared.rows("from explanations where image_id = $1", [image_id])
    names = prepared.class_names
    groups: dict[str, list[str]] = {}
    for each in row["groups"]:
        groups.setdefault(each["grouping"], []).append(each["group_name"])
    choices: dict[str, list[dict[str, Any]]] = {}
    for each in row["choices"]:
        choices.setdefault(each["model"], []).append(each)
    explained = Explanation(
        image_id=image_id,
        file_name=row["file_name"],
        is_rated=row["is_rated"],
        original_label=row["original_label"],
        original_name=names.get(row["original_label"]),
        labels=tuple(row["labels"]),
        threshold=prepared.threshold,
        questions=tuple(
            Question(
                **{**each, "votes": tuple(Vote(**vote) for vote in each["votes"])},
                name=names.get(each["label"]),
            )
            for each in row["questions"]
        ),
        models=(),
        assessments=tuple(
            Assessment(
                **{**each, "votes": {vote["rater"]: vote["answer"] for vote in each["votes"]}},
                name=names.get(each["label"]),
            )
            for each in row["assessments"]
        ),
        flags=tuple(Flag(**each) for each in row["flags"]),
    )
    return explained, groups, {name: choices[name] for name in prepared.models if name in choices}


def picture(site: Site, request: Request) -> Response:
    """Send the picture of an image in one of two sizes, or a note in its place."""
    image_id = _number(request, "image_id", 1, IMAGES, "image")
    size = request.path_params["size"]
    if size not in SIZES or site.pictures is None:
        raise NotFoundError(f"there is no picture of the image {image_id}", value=image_id)
    headers = {"cache-control": "private, max-age=3600"}
    try:
        content = site.pictures.jpeg(image_id, size)
    except RealdbError as error:
        # With another status the page of the image would log an error.
        note = site.html.render("note.svg", file=error.file, why=error.value)
        return Response(note, media_type="image/svg+xml")
    if content is None:
        raise NotFoundError(f"there is no picture of the image {image_id}", value=image_id)
    return Response(content, headers=headers, media_type="image/jpeg")


# Classes


def classes(site: Site, request: Request) -> Response:
    """List the classes."""
    prepared = site.watch.current
    orders = {
        "class": ("class", "c.label"),
        "accuracy": ("mean accuracy, lowest first", "accuracy nulls last, c.label"),
        "rejected": ("rejected original labels, most first", "rejected desc, c.label"),
    }
    _no_parameters(request, "sort", "page")
    sort = _choice(request, "sort", orders, "class")
    page = images.number("page", request.query_params.get("page", "1"))
    if not 1 <= page <= _CLASS_PAGES:
        raise NotFoundError(f"there is no page {page} of classes", value=page)
    rows = prepared.rows(
        f"""
        with counted as (
            select
                original_label as label,
                count(*) as images,
                count(*) filter (where not is_original_real) as rejected
            from shown_images
            group by all
        ),

        scored as (
            select
                label,
                avg(real_accuracy) as accuracy
            from accuracy_by_class
            group by all
        ),

        valid as (
            select
                label,
                count(*) as real_images
            from labels
            group by all
        )

        select
            c.label,
            c.wordnet_id,
            coalesce(n.images, 0) as images,
            coalesce(v.real_images, 0) as real_images,
            coalesce(n.rejected, 0) as rejected,
            s.accuracy
        from {_class_source(prepared)} as c
        left join counted as n on c.label = n.label
        left join scored as s on c.label = s.label
        left join valid as v on c.label = v.label
        order by {orders[sort][1]}
        limit {_CLASSES} offset {_CLASSES * (page - 1)}
        """  # noqa: S608, constants and a number
    )
    columns = [
        Column("label", "Class", "class"),
        Column("wordnet_id", "WordNet id"),
        Column("images", "Images", "integer"),
        Column("real_images", "With ReaL label", "integer"),
        Column("rejected", "Original rejected", "integer"),
    ]
    if prepared.models:
        columns.append(Column("accuracy", "ReaL accuracy, mean of models", "bar"))
    return site.page(
        request,
        "classes.html",
        rows=rows,
        columns=columns,
        orders=orders,
        sort=sort,
        page=page,
        pages=_CLASS_PAGES,
        first=_CLASSES * (page - 1) + 1,
    )


def _class_source(prepared: Prepared) -> str:
    """Return the table of classes, or their ids if the store has no such table."""
    if "classes" in prepared.names:
        return "classes"
    return "(select range::smallint as label, null::varchar as wordnet_id from range(1000))"


def class_(site: Site, request: Request) -> Response:
    """Show one class: its images, what it is confused with, and the accuracy of each model."""
    prepared = site.watch.current
    label = _number(request, "label", 0, 999, "class")
    _no_parameters(request)
    original = Selection((("original_class", str(label)),))
    real = Selection((("real_class", str(label)),))
    samples = [
        (title, selection, images.ids(prepared, selection))
        for title, selection in (("Original label", original), ("ReaL label", real))
    ]
    confused = prepared.rows(
        """
        select
            predicted_label,
            sum(images) as images,
            sum(weight) as weight,
            count(*) as models
        from confusions
        where label = $1
        group by all
        order by images desc, predicted_label
        limit 20
        """,
        [label],
    )
    accuracy = prepared.rows(
        """
        select
            model,
            real_accuracy,
            real_accuracy_low,
            real_accuracy_high,
            correct_images,
            scored_images,
            original_accuracy
        from accuracy_by_class
        where label = $1
        order by real_accuracy desc nulls last, model
        """,
        [label],
    )
    return site.page(
        request,
        "class.html",
        label=label,
        about=prepared.classes.get(label, {}),
        samples=[
            (title, selection, len(found), images.cards(prepared, found[:_FEW].tolist()))
            for title, selection, found in samples
        ],
        confused=confused,
        confused_columns=[
            Column("predicted_label", "Predicted instead", "class"),
            Column("images", "Times", "integer"),
            Column("weight", "Weight", "number"),
            Column("models", "Models", "integer"),
        ],
        accuracy=accuracy,
        accuracy_columns=[
            Column("model", "Model", "model"),
            Column("real_accuracy", "ReaL accuracy", "bar"),
            Column("real_accuracy_low", "95 % from", "share"),
            Column("real_accuracy_high", "to", "share"),
            Column("correct_images", "Right", "integer"),
            Column("scored_images", "Scored", "integer"),
            Column("original_accuracy", "Original accuracy", "share"),
        ],
    )


# Raters


def raters(site: Site, request: Request) -> Response:
    """List the raters with their quality."""
    prepared = site.watch.current
    _no_parameters(request)
    rows = prepared.rows("from rater_quality order by votes desc, rater_id")
    agreement = prepared.rows("from agreement order by is_animal nulls first")
    for row in agreement:
        row["about"] = {None: "all classes", True: "animals", False: "other classes"}[
            row["is_animal"]
        ]
    columns = [
        Column("rater_id", "Rater", "rater"),
        Column("votes", "Votes", "integer"),
        Column("no_share", "No", "share"),
        Column("maybe_share", "Maybe", "share"),
        Column("yes_share", "Yes", "share"),
        Column("majority_agreement", "With the majority", "bar"),
        Column("real_agreement", "With ReaL", "share"),
        Column("golden_answers", "Golden answers", "integer"),
        Column("sensitivity", "Sensitivity", "share"),
        Column("specificity", "Specificity", "share"),
        Column("log_loss", "Log loss", "number"),
    ]
    return site.page(
        request,
        "raters.html",
        rows=rows,
        columns=columns,
        agreement=agreement,
        agreement_columns=[
            Column("about", "Questions about"),
            Column("questions", "Questions", "integer"),
            Column("votes", "Votes", "integer"),
            Column("observed_agreement", "Observed agreement", "share"),
            Column("nominal_alpha", "Nominal alpha", "share"),
            Column("ordinal_alpha", "Ordinal alpha", "share"),
            Column("fleiss_kappa", "Fleiss' kappa", "share"),
        ],
    )


def rater(site: Site, request: Request) -> Response:
    """Show one rater: quality, weights, golden answers, and the most contradicted votes."""
    prepared = site.watch.current
    rater_id = _number(request, "rater_id", 0, 32_767, "rater")
    _no_parameters(request)
    found = prepared.rows("from raters where rater_id = $1", [rater_id])
    if not found:
        raise NotFoundError(f"the store has no rater {rater_id}", value=rater_id)
    quality = prepared.rows("from rater_quality where rater_id = $1", [rater_id])
    weights = prepared.rows(
        "select answer, valid_answers, invalid_answers, log_likelihood_ratio "
        "from rater_evidence where rater_id = $1 "
        "order by list_position(['no', 'maybe', 'yes'], answer)",
        [rater_id],
    )
    return site.page(
        request,
        "rater.html",
        rater=found[0],
        quality=quality[0] if quality else None,
        weights=weights,
        weight_columns=[
            Column("answer", "Answer"),
            Column("valid_answers", "On valid golden questions", "integer"),
            Column("invalid_answers", "On invalid ones", "integer"),
            Column("log_likelihood_ratio", "Weight in nats", "signed"),
        ],
        golden=_golden(prepared, rater_id),
        golden_columns=[
            Column("image_id", "Image", "image"),
            Column("label", "Class", "class"),
            Column("answer", "Answer"),
            Column("yes_experts", "Experts who say yes", "integer"),
            Column("experts", "of", "integer"),
            Column("outcome", "Outcome"),
        ],
        contradicted=_contradicted(prepared, rater_id),
        contradicted_columns=[
            Column("image_id", "Image", "image"),
            Column("label", "Class", "class"),
            Column("answer", "Answer"),
            Column("no_votes", "No", "integer"),
            Column("maybe_votes", "Maybe", "integer"),
            Column("yes_votes", "Yes", "integer"),
            Column("score", "Score", "score"),
            Column("is_real", "ReaL label", "yes"),
        ],
        most=_MOST_ROWS,
    )


def _golden(prepared: Prepared, rater_id: int) -> list[dict[str, Any]]:
    """Return the rater's wrong golden answers first, then the others."""
    return prepared.rows(
        f"""
        with judged as (
            select
                v.image_id,
                v.label,
                v.answer,
                t.yes_experts,
                t.experts,
                case
                    when v.answer = 'maybe' then 'undecided'
                    when (v.answer = 'yes') = t.is_valid then 'right'
                    else 'wrong'
                end as outcome
            from golden_votes as v
            inner join golden_truths as t on v.image_id = t.image_id and v.label = t.label
            where v.rater_id = $1
        )

        from judged
        order by list_position(['wrong', 'undecided', 'right'], outcome), image_id, label
        limit {_MOST_ROWS}
        """,  # noqa: S608, a constant
        [rater_id],
    )


def _contradicted(prepared: Prepared, rater_id: int) -> list[dict[str, Any]]:
    """Return the votes that most other raters of the question contradict: yes against no."""
    return prepared.rows(
        """
        select
            v.image_id,
            v.label,
            v.answer,
            q.no_votes,
            q.maybe_votes,
            q.yes_votes,
            q.score,
            q.is_real
        from vote_evidence as v
        inner join rated_questions as q on v.image_id = q.image_id and v.label = q.label
        where
            v.rater_id = $1
            and v.answer <> 'maybe'
            and case when v.answer = 'yes' then q.no_votes else q.yes_votes end > 0
        order by
            case when v.answer = 'yes' then q.no_votes else q.yes_votes end desc,
            case when v.answer = 'yes' then q.yes_votes else q.no_votes end,
            v.image_id,
            v.label
        limit 100
        """,
        [rater_id],
    )


# Models


def models(site: Site, request: Request) -> Response:
    """List the models."""
    prepared = site.watch.current
    _no_parameters(request)
    return site.page(
        request,
        "models.html",
        rows=prepared.rows(
            """
            select
                l.model,
                l.real_rank,
                l.real_accuracy,
                l.real_accuracy_low,
                l.real_accuracy_high,
                l.original_accuracy,
                l.rank_change,
                r.rank_low || ' to ' || r.rank_high as ranks,
                a.predicted_images
            from leaderboard as l
            inner join accuracy as a on l.model = a.model
            left join rank_intervals as r on l.model = r.model and r.label_set = 'real'
            order by l.real_rank nulls last, l.model
            """
        ),
        columns=[
            Column("real_rank", "Rank", "integer"),
            Column("model", "Model", "model"),
            Column("real_accuracy", "ReaL accuracy", "bar"),
            Column("real_accuracy_low", "95 % from", "share"),
            Column("real_accuracy_high", "to", "share"),
            Column("ranks", "Rank interval"),
            Column("original_accuracy", "Original accuracy", "share"),
            Column("rank_change", "Rank change", "signed_integer"),
            Column("predicted_images", "Predicted images", "integer"),
        ],
    )


def model(site: Site, request: Request) -> Response:
    """Show one model: figures, calibration, mistakes, gains and losses by class."""
    prepared = site.watch.current
    name = _model(request, prepared, "model")
    _no_parameters(request, "model")
    (figures,) = prepared.rows("from accuracy where model = $1", [name])
    calibration = prepared.rows(
        "from calibration_summary where model = $1 order by label_set desc", [name]
    )
    bins = prepared.rows(
        "from calibration where model = $1 and label_set = 'real' order by bin", [name]
    )
    categories = prepared.rows(
        """
        select
            category,
            count(*) as images,
            count(*) / sum(count(*)) over () as share
        from mistakes
        where model = $1
        group by category
        order by images desc, category
        """,
        [name],
    )
    mistakes = prepared.rows(
        f"""
        select
            image_id,
            label,
            confidence,
            original_label,
            category,
            no_votes,
            maybe_votes,
            yes_votes,
            score
        from mistakes
        where model = $1
        order by confidence desc nulls last, image_id
        limit {_MOST_ROWS}
        """,  # noqa: S608, a constant
        [name],
    )
    unasked = prepared.rows("from unasked_counts where model = $1", [name])
    changes = prepared.rows(
        """
        select
            label,
            real_accuracy,
            original_accuracy,
            real_accuracy - original_accuracy as change,
            scored_images
        from accuracy_by_class
        where model = $1 and real_accuracy is not null and original_accuracy is not null
        order by change desc, label
        """,
        [name],
    )
    return site.page(
        request,
        "model.html",
        model=name,
        figures=figures,
        unasked=unasked[0] if unasked else None,
        source=prepared.source(name),
        calibration=calibration,
        calibration_columns=[
            Column("label_set", "Labels"),
            Column("scored_images", "Scored images", "integer"),
            Column("accuracy", "Accuracy", "share"),
            Column("mean_confidence", "Mean confidence", "share"),
            Column("expected_calibration_error", "Calibration error", "share"),
            Column("brier_score", "Brier score", "share"),
        ],
        bins=bins,
        bin_columns=[
            Column("range", "Confidence"),
            Column("images", "Images", "integer"),
            Column("mean_confidence", "Mean confidence", "share"),
            Column("accuracy", "ReaL accuracy", "bar"),
        ],
        categories=categories,
        category_columns=[
            Column("category", "Category"),
            Column("images", "Images", "integer"),
            Column("share", "Share of the mistakes", "bar"),
        ],
        mistakes=mistakes,
        mistake_columns=[
            Column("image_id", "Image", "image"),
            Column("label", "Choice", "class"),
            Column("confidence", "Confidence", "number"),
            Column("original_label", "Original", "class"),
            Column("category", "Category"),
            Column("no_votes", "No", "integer"),
            Column("maybe_votes", "Maybe", "integer"),
            Column("yes_votes", "Yes", "integer"),
            Column("score", "Score", "score"),
        ],
        gains=changes[:10],
        losses=[row for row in changes[::-1][:10] if row["change"] < 0],
        change_columns=[
            Column("label", "Class", "class"),
            Column("original_accuracy", "Original accuracy", "share"),
            Column("real_accuracy", "ReaL accuracy", "share"),
            Column("change", "Change", "signed"),
            Column("scored_images", "Scored images", "integer"),
        ],
        wrong=Selection((("wrong", name),)),
        right=Selection((("right", name),)),
    )


def compare(site: Site, request: Request) -> Response:
    """Compare two models, and show the images that only one gets right."""
    prepared = site.watch.current
    _no_parameters(request, "a", "b")
    chosen = [request.query_params.get(name, "") for name in ("a", "b")]
    if len(prepared.models) < 2:
        return site.page(request, "compare.html", a=None, b=None, same=False)
    if not any(chosen):
        chosen = prepared.models[:2]
    a, b = (_known_model(prepared, name or prepared.models[0]) for name in chosen)
    if a == b:
        return site.page(request, "compare.html", a=a, b=b, same=True)
    first, second = sorted((a, b))
    pairs = prepared.rows(
        "from comparison where model_a = $1 and model_b = $2 order by label_set desc",
        [first, second],
    )
    for row in pairs:
        _turn(row, is_turned=first != a)
    by_class = prepared.rows(
        """
        select
            group_name::integer as label,
            images,
            only_a_right,
            only_b_right,
            (only_a_right - only_b_right) / images as difference
        from paired_counts_by_group
        where
            grouping = 'class' and label_set = 'real' and model_a = $1 and model_b = $2
        order by difference desc, label
        """,
        [first, second],
    )
    for row in by_class:
        _turn(row, is_turned=first != a)
    by_class.sort(key=lambda row: (-row["difference"], row["label"]))
    sides = []
    for mine, other in ((a, b), (b, a)):
        selection = Selection(tuple(sorted((("right", mine), ("wrong", other)))))
        found = images.ids(prepared, selection)
        sides.append((mine, selection, len(found), images.cards(prepared, found[:_FEW].tolist())))
    differing = Selection(tuple(sorted((("differ", a), ("differ", b)))))
    return site.page(
        request,
        "compare.html",
        a=a,
        b=b,
        same=False,
        pairs=pairs,
        pair_columns=[
            Column("label_set", "Labels"),
            Column("images", "Images", "integer"),
            Column("accuracy_a", f"Accuracy of {a}", "share"),
            Column("accuracy_b", f"Accuracy of {b}", "share"),
            Column("difference", "Difference", "signed"),
            Column("difference_low", "95 % from", "signed"),
            Column("difference_high", "to", "signed"),
            Column("both_right", "Both right", "integer"),
            Column("only_a_right", f"Only {a}", "integer"),
            Column("only_b_right", f"Only {b}", "integer"),
            Column("both_wrong", "Both wrong", "integer"),
            Column("p", "McNemar's mid-p", "short"),
            Column("holm", "Holm's p", "short"),
            Column("error_consistency", "Error consistency", "share"),
        ],
        sides=sides,
        differing=differing,
        differing_images=len(images.ids(prepared, differing)),
        better=[row for row in by_class[:10] if row["difference"] > 0],
        worse=[row for row in by_class[::-1][:10] if row["difference"] < 0],
        class_columns=[
            Column("label", "Class", "class"),
            Column("difference", "Difference", "signed"),
            Column("only_a_right", f"Only {a}", "integer"),
            Column("only_b_right", f"Only {b}", "integer"),
            Column("images", "Images", "integer"),
        ],
    )


def _turn(row: dict[str, Any], *, is_turned: bool) -> None:
    """Exchange the models of a row, and write its p values as text."""
    if is_turned:
        for name in ("only_{}_right", "accuracy_{}"):
            a, b = name.format("a"), name.format("b")
            if a in row:
                row[a], row[b] = row[b], row[a]
        row["difference"] = -row["difference"]
        if "difference_low" in row:
            low, high = row["difference_low"], row["difference_high"]
            row["difference_low"], row["difference_high"] = -high, -low
    for name, p, log in (("p", "mid_p", "log10_mid_p"), ("holm", "holm_p", "log10_holm_p")):
        if p in row:
            row[name] = f"{row[p]:.3g}" if row[p] > 0 else f"10^{row[log]:.1f}"


# Label sets


def label_sets(site: Site, request: Request) -> Response:
    """Show the label sets, how far they agree, and where they contradict each other."""
    prepared = site.watch.current
    _no_parameters(request)
    return site.page(
        request,
        "label_sets.html",
        rows=prepared.rows("from label_sets order by label_set"),
        columns=[
            Column("label_set", "Label set"),
            Column("title", "Title", "long"),
            Column("images", "Images", "integer"),
            Column("licence", "Licence"),
            Column("citation", "Citation", "long"),
        ],
        agreement=prepared.rows("from label_set_agreement order by label_set, other_set"),
        agreement_columns=[
            Column("label_set", "Label set"),
            Column("other_set", "compared with"),
            Column("judged_images", "Both judge", "integer"),
            Column("labelled_images", "Both label", "integer"),
            Column("jaccard", "Jaccard index", "bar"),
            Column("equal_images", "Equal", "integer"),
            Column("larger_images", "Larger", "integer"),
            Column("smaller_images", "Smaller", "integer"),
            Column("disjoint_images", "Disjoint", "integer"),
            Column("correct_labels", "Correct", "integer"),
            Column("unclear_labels", "Unclear", "integer"),
            Column("wrong_labels", "Wrong", "integer"),
            Column("unjudged_labels", "Not judged", "integer"),
        ],
        conflicts=_conflicts(prepared),
        conflict_columns=[
            Column("correct_set", "Calls it correct"),
            Column("wrong_set", "Calls it wrong"),
            Column("labels", "Labels", "integer"),
            Column("originals", "of these original labels", "integer"),
            Column("images", "Images", "integer"),
        ],
        examples=prepared.rows(
            f"""
            select
                image_id,
                label,
                string_agg(label_set, ', ' order by label_set)
                    filter (where verdict = 'correct') as correct_sets,
                string_agg(label_set, ', ' order by label_set)
                    filter (where verdict = 'wrong') as wrong_sets,
                bool_or(is_original) as is_original,
                max(score) filter (where label_set = 'real') as score
            from label_conflicts
            group by image_id, label
            order by count(*) desc, image_id, label
            limit {_MOST_ROWS}
            """  # noqa: S608, a constant
        ),
        example_columns=[
            Column("image_id", "Image", "image"),
            Column("label", "Class", "class"),
            Column("correct_sets", "Correct for"),
            Column("wrong_sets", "Wrong for"),
            Column("is_original", "Original label", "yes"),
        ],
        most=_MOST_ROWS,
    )


def _conflicts(prepared: Prepared) -> list[dict[str, Any]]:
    return prepared.rows(
        """
        select
            c.label_set as correct_set,
            w.label_set as wrong_set,
            count(*) as labels,
            count(*) filter (where c.is_original) as originals,
            count(distinct c.image_id) as images
        from label_conflicts as c
        inner join label_conflicts as w
            on c.image_id = w.image_id and c.label = w.label
        where c.verdict = 'correct' and w.verdict = 'wrong'
        group by all
        order by labels desc, correct_set, wrong_set
        """
    )


# Views and SQL


def views(site: Site, request: Request) -> Response:
    """List the tables and views."""
    _no_parameters(request)
    rows = [_about("table", name, header_of(name)) for name in TABLES]
    rows += [_about(view.layer, view.name, view.about) for view in catalog.views().values()]
    return site.page(
        request,
        "views.html",
        rows=rows,
        columns=[
            Column("name", "Name", "view"),
            Column("kind", "Kind"),
            Column("summary", "Content", "long"),
            Column("grain", "Grain", "long"),
        ],
    )


def _about(kind: str, name: str, about: Any) -> dict[str, Any]:
    return {"kind": kind, "name": name, "summary": about.summary, "grain": about.grain}


def view(site: Site, request: Request) -> Response:
    """Show the header and the SQL of a table or view."""
    name = request.path_params["name"]
    _no_parameters(request)
    if name not in TABLES and name not in catalog.all_names():
        raise NotFoundError(
            f"there is no table or view {name!r}",
            value=name,
            remedy=did_you_mean(name, [*TABLES, *catalog.all_names()], "See the page Views"),
        )
    is_table = name in TABLES
    about = header_of(name) if is_table else catalog.find(name).about
    path = sql_path(name) if is_table else catalog.find(name).path
    read_by = [each for each in catalog.all_names() if name in catalog.find(each).about.reads]
    return site.page(
        request,
        "view.html",
        name=name,
        kind="table" if is_table else f"view of the layer {catalog.find(name).layer}",
        about=about,
        reads=() if is_table else about.reads,
        read_by=read_by,
        sql=path.read_text(encoding="utf-8"),
        call=f"from {name}({', '.join(about.parameters)})" if about.parameters else f"from {name}",
        parameters=about.parameters,
    )


def sql(site: Site, request: Request) -> Response:
    """Show the console, and the result of its query."""
    _no_parameters(request, "q")
    query = request.query_params.get("q", "")
    answer = None
    if query.strip():
        answer = site.console.run(query)
    else:
        site.console.warm()
    columns = [(name, [*catalog.find(name).about.columns]) for name in catalog.all_names()]
    tables = [(name, [*header_of(name).columns]) for name in TABLES]
    return site.page(
        request,
        "sql.html",
        query=query,
        answer=answer,
        tables=tables,
        views=columns,
        limit=site.console.limit,
        most_rows=consoles.PAGE_ROWS,
        computed=COMPUTED,
    )


def sql_file(site: Site, request: Request) -> Response:
    """Send the result of a query as CSV or Parquet."""
    _no_parameters(request, "q")
    form = request.url.path.rpartition(".")[2]
    query = request.query_params.get("q", "")
    if not query.strip():
        raise UsageError("the address has no query: add ?q=", parameter="q")
    answer = site.console.run(query, form)
    if answer.error is not None:
        raise UsageError(answer.error)
    return _download(answer.content, f"query.{form}")


# Parameters


def _number(request: Request, name: str, low: int, high: int, noun: str) -> int:
    """Return a number of the path; NotFoundError if it is none, or out of range."""
    text = str(request.path_params[name])
    if text.isascii() and text.isdecimal() and len(text) < 6 and low <= int(text) <= high:
        return int(text)
    raise NotFoundError(
        f"there is no {noun} {text!r}",
        value=text,
        remedy=f"The numbers are {low} to {high:,}",
    )


def _no_parameters(request: Request, *known: str) -> None:
    """Raise UsageError for parameters other than `known`, or a repeated one."""
    names = [name for name, _ in request.query_params.multi_items()]
    for name in names:
        if name not in known:
            raise UsageError(f"this page has no parameter {name!r}", value=name)
        if names.count(name) > 1:
            raise UsageError(f"the parameter {name} is set {names.count(name)} times", value=name)


def _choice(request: Request, name: str, choices: Mapping[str, object], default: str) -> str:
    """Return the value of a parameter with a fixed list of choices."""
    value = request.query_params.get(name, default)
    if value not in choices:
        raise UsageError(
            f"the parameter {name} is {value!r}, which is not one of its values",
            value=value,
            remedy=f"Use one of: {', '.join(choices)}",
        )
    return value


def _model(request: Request, prepared: Prepared, name: str) -> str:
    value = request.query_params.get(name)
    if value is None:
        raise UsageError(f"the address has no parameter {name}", parameter=name)
    return _known_model(prepared, value)


def _known_model(prepared: Prepared, name: str) -> str:
    if name not in prepared.models:
        raise NotFoundError(
            f"there is no model {name!r}",
            value=name,
            remedy=did_you_mean(name, prepared.models, "See the page Models"),
        )
    return name
