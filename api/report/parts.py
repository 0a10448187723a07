"""The sections of a report: each one function of what was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import counted
from ...report import cells
from ...report.page import (
    Column,
    Item,
    Listing,
    Paragraph,
    Part,
    Table,
    Text,
    Whole,
)
from .. import breakdowns
from .. import compare as comparing
from .found import Found, name, records, shortened, why_without
from .pictures import Pictures

if TYPE_CHECKING:
    pass

# The most models in the table of all.
MOST_MODELS = 200
# Of more models, only the pairs of the best are shown, and fewer within groups.
MOST_PAIRED = 10
MOST_PAIRED_IN_GROUPS = 4
MOST_ROWS = 30
# The most groupings of label sets and users.
MOST_GROUPINGS = 4
HARDEST = 12
_CLASSES = 15
_NUMBER = "number"


def models(found: Found) -> Iterator[Part]:
    """Yield the table of the models, and the groups that cannot be distinguished."""
    compared = found.comparison
    ranked = {row["model"]: row for row in records(compared.models)} if compared else {}
    has_groups = compared is not None and len(ranked) > 2
    has_unasked = any(row["unasked_images"] is not None for row in found.models)
    has_top5 = any(row["real_top5_accuracy"] is not None for row in found.models)
    columns = [
        Column(title="Model"),
        *([Column(title="Rank interval", kind=_NUMBER)] if ranked else []),
        Column(title=found.measured("accuracy"), kind=_NUMBER),
        Column(title="95 % interval", kind=_NUMBER),
        Column(title="Right", kind=_NUMBER),
        Column(title="Scored images", kind=_NUMBER),
        *([Column(title="Not judged, %", kind=_NUMBER)] if has_unasked else []),
        *([Column(title=found.measured("top-5"), kind=_NUMBER)] if has_top5 else []),
        Column(title="Original accuracy, %", kind=_NUMBER),
        *([Column(title="Groups")] if has_groups else []),
    ]

    def row(of: Mapping[str, Any]) -> Iterator[Text]:
        rank = ranked.get(of["model"], {})
        yield name(of["model"])
        if ranked:
            yield cells.ranks(rank.get("rank_low"), rank.get("rank_high"))
        yield cells.percent(of["real_accuracy"])
        yield cells.interval(of["real_accuracy_low"], of["real_accuracy_high"])
        yield cells.count(of["correct_images"])
        yield cells.count(of["scored_images"])
        if has_unasked:
            yield cells.of(of["unasked_images"], of["scored_images"])
        if has_top5:
            yield cells.percent(of["real_top5_accuracy"])
        yield cells.percent(of["original_accuracy"])
        if has_groups:
            yield rank.get("groups") or cells.MISSING

    yield Table(
        name="Accuracy of the models, the best first",
        columns=columns,
        rows=[[*row(each)] for each in found.models[:MOST_MODELS]],
        note=_cut(len(found.models), MOST_MODELS, "models", "realdb accuracy FILE…"),
    )
    if has_unasked:
        yield Paragraph(
            text="“Not judged” is the share of the scored images whose first choice no rater was "
            "asked about. They count as wrong. A model that resembles the models which proposed "
            "the labels has fewer of them."
        )
    if compared is not None:
        yield Paragraph(
            text="The rank interval has the ranks that a model may have, as far as the paired "
            f"tests distinguish it from the others (Holm's correction over "
            f"{counted(_pairs(len(found.models)), 'pair')}, level 5 %)."
        )
    if has_groups:
        yield Paragraph(
            text="Models that share a letter in the column Groups cannot be distinguished."
        )


def pairs(found: Found) -> Iterator[Part]:
    """Yield the paired comparison."""
    compared = found.comparison
    if compared is None:
        yield Paragraph(text="There is one model, so there is nothing to compare it with.")
        return
    rows = records(compared.pairs)
    shown = rows
    number = len(found.models)
    if number > MOST_PAIRED:
        best = {row["model"] for row in found.models[:MOST_PAIRED]}
        shown = [row for row in rows if {row["model_a"], row["model_b"]} <= best]
        yield Paragraph(
            text=f"The tables have the pairs of the {MOST_PAIRED} best models, "
            f"{len(shown):,} of {len(rows):,} pairs. Holm's correction is over all "
            f"{len(rows):,}. realdb compare FILE… prints all of them."
        )
    if len(rows) == 1:
        yield Paragraph(text=_sentence(found, rows[0]))
    if compared.cochran_q is not None:
        q = compared.cochran_q
        yield Paragraph(
            text=(
                f"Cochran's Q tests whether all {number:,} models are equally good on the "
                f"{compared.common_images:,} images that all of them were scored on: Q = "
                f"{q.statistic:,.2f} with {q.degrees_of_freedom} degrees of freedom, p = ",
                Whole(f"{cells.p_value(q.log10_p)}."),
            )
        )
    title = name(f"Pairs of models, by {found.labels}")
    yield _pair_table(found, title, shown, "", has_counts=True)
    with_original = [row for row in shown if row["original_images"] is not None]
    if with_original:
        yield _pair_table(
            found, "The same pairs, by the original labels", with_original, "original_"
        )


def _sentence(found: Found, pair: Mapping[str, Any]) -> Text:
    is_apart = pair["holm_p"] < comparing.LEVEL
    low, high = cells.points(pair["difference_low"]), cells.points(pair["difference_high"])
    return (
        found.model(pair["model_a"]),
        " and ",
        found.model(pair["model_b"]),
        f" {'differ' if is_apart else 'cannot be distinguished'}: "
        f"{cells.points(pair['difference'])} percentage points on {pair['images']:,} images "
        f"(95 % interval {low} to {high}), McNemar's mid-p = ",
        Whole(f"{cells.p_value(pair['log10_mid_p'])}."),
    )


def _pair_table(
    found: Found,
    title: Text,
    rows: Sequence[Mapping[str, Any]],
    prefix: str,
    *,
    has_counts: bool = False,
) -> Table:
    """Return the table of pairs, of the columns that begin with `prefix`."""
    counts = ["Both right"] if has_counts else []
    counts += ["Only A right", "Only B right"]
    titles = ["Images", *counts, "A - B, points", "95 % interval", "Mid-p", "Holm's p"]
    return Table(
        name=title,
        columns=[
            Column(title="Model A"),
            Column(title="Model B"),
            *(Column(title=each, kind=_NUMBER) for each in titles),
            Column(title="Error consistency", kind=_NUMBER),
        ],
        rows=[
            [
                found.model(row["model_a"]),
                found.model(row["model_b"]),
                cells.count(row[f"{prefix}images"]),
                *([cells.count(row["both_right"])] if has_counts else []),
                cells.count(row[f"{prefix}only_a_right"]),
                cells.count(row[f"{prefix}only_b_right"]),
                cells.points(row[f"{prefix}difference"]),
                cells.points_interval(
                    row[f"{prefix}difference_low"], row[f"{prefix}difference_high"]
                ),
                cells.p_value(row[f"{prefix}log10_mid_p"]),
                cells.p_value(row[f"{prefix}log10_holm_p"]),
                cells.number(row[f"{prefix}error_consistency"]),
            ]
            for row in rows
        ],
    )


def differences(found: Found) -> Iterator[Part]:
    """Yield the groups of images in which models differ."""
    if found.comparison is None:
        yield Paragraph(text="There is one model, so there is nothing to compare it with.")
        return
    best = [row["model"] for row in found.models[:MOST_PAIRED_IN_GROUPS]]
    of = "all models" if len(best) == len(found.models) else f"the {len(best)} best models"
    yield Paragraph(
        text=f"The pairs of {of} within groups of images. In each table Holm's correction is over "
        "all pairs and groups of that grouping, also over those that are not shown."
    )
    own = breakdowns.groupings(found.session.con)
    titles = {"animal": "Animals and objects", "label-count": "Number of labels of the image"}
    titles |= {each: shortened(each, 60) for each in [*own][:MOST_GROUPINGS]}
    titles |= {"class": "Classes"}
    for by, title in titles.items():
        yield from _group(found, by, title, best, is_of_classes=own.get(by, False))
    if len(own) > MOST_GROUPINGS:
        yield Paragraph(
            text=f"The store has {len(own):,} groupings; the first {MOST_GROUPINGS} are shown. "
            "realdb compare FILE… --by GROUPING shows the others."
        )


def _group(
    found: Found, by: str, title: str, best: Sequence[str], *, is_of_classes: bool
) -> Iterator[Part]:
    con = found.session.con
    needs_original = by in breakdowns.BY_ORIGINAL or is_of_classes
    if (
        needs_original
        and not con.execute("select count(original_label) from images").fetchall()[0][0]
    ):
        return
    if by == "label-count" and found.rules.match is not None:
        return
    rows = records(comparing.by_groups(found.session, by, best))
    if not rows:
        return
    key = "group_name" if breakdowns.grouping_of(by) else by.replace("-", "_")
    most = _CLASSES if by == "class" else MOST_ROWS
    shown = rows[:most]
    if by == "label-count":
        shown = sorted(shown, key=lambda row: int(row[key]))
    elif len(rows) <= most:
        shown = sorted(shown, key=lambda row: str(row[key]))

    def group(row: Mapping[str, Any]) -> Text:
        if by == "class":
            return name(found.class_name(int(row[key])))
        return name(row[key])

    command = f"realdb compare FILE… --by {shortened(by, 60)}"
    yield Table(
        name=name(title),
        columns=[
            Column(title="Group"),
            Column(title="Model A"),
            Column(title="Model B"),
            *(
                Column(title=each, kind=_NUMBER)
                for each in (
                    *("Images", "Only A right", "Only B right", "A - B, points"),
                    *("95 % interval", "Holm's p"),
                )
            ),
        ],
        rows=[
            [
                group(row),
                found.model(row["model_a"]),
                found.model(row["model_b"]),
                cells.count(row["images"]),
                cells.count(row["only_a_right"]),
                cells.count(row["only_b_right"]),
                cells.points(row["difference"]),
                cells.points_interval(row["difference_low"], row["difference_high"]),
                cells.p_value(row["log10_holm_p"]),
            ]
            for row in shown
        ],
        note=_cut(len(rows), most, "rows", command, "most different"),
    )


def mistakes(found: Found) -> Iterator[Part]:
    """Yield how many mistakes of each category the models make."""
    why = why_without(found.session, "mistakes")
    if why:
        yield Paragraph(text=why)
        return
    categories = {
        "never asked": "Not judged",
        "original label": "Original label",
        "rejected": "Rejected",
        "other": "Other",
    }
    counts: dict[str, dict[str, int]] = {}
    for model, category, number in found.session.con.sql(
        "select model, category, count(*) from mistakes group by model, category"
    ).fetchall():
        counts.setdefault(model, {})[category] = number
    rows = []
    for row in found.models[:MOST_MODELS]:
        of = counts.get(row["model"], {})
        wrong = sum(of.values())
        rows.append(
            [
                found.model(row["model"]),
                cells.count(wrong),
                *(
                    f"{cells.count(of.get(each, 0))} ({cells.of(of.get(each, 0), wrong)} %)"
                    for each in categories
                ),
            ]
        )
    yield Table(
        name="Wrong first choices by category, with their share of the mistakes",
        columns=[
            Column(title="Model"),
            Column(title="Mistakes", kind=_NUMBER),
            *(Column(title=title, kind=_NUMBER) for title in categories.values()),
        ],
        rows=rows,
        note=_cut(len(found.models), MOST_MODELS, "models", "the view mistakes"),
    )
    yield Listing(
        items=[
            "Not judged: no rater was asked about the choice.",
            "Original label: the choice is the image's original label, which the raters rejected.",
            "Rejected: at least 3 raters answered no.",
            "Other: the raters did not agree, or fewer of them answered.",
        ]
    )


def images(found: Found, folder: Path | None) -> Iterator[Part]:
    """Yield the images that most models get wrong."""
    con = found.session.con
    con.execute("create or replace temp table hard as from hard_images where wrong_models > 0")
    ((number, by_all),) = con.execute(
        "select count(*), count(case when wrong_models = models then 1 end) from hard"
    ).fetchall()
    hardest = records(
        con.sql(
            "from hard order by wrong_share desc, models desc, wrong_label_models desc, image_id "
            f"limit {HARDEST}"
        )
    )
    if not hardest:
        yield Paragraph(text="No model gets an image wrong.")
        return
    yield Paragraph(
        text=f"At least one model is wrong on {counted(number, 'image')}, and all models that "
        f"predict the image on {by_all:,}. {len(hardest)} are shown: first those that the most "
        "models get wrong, among them those with the most frequent wrong choice, and then in the "
        "order of their numbers. The view hard_images lists all."
    )
    pictures = Pictures(folder, {row["image_id"]: row["file_name"] for row in hardest})
    if pictures.notes:
        yield Listing(items=[name(each) for each in pictures.notes], kind="notes")
    evidence = _evidence(found, [row["image_id"] for row in hardest])
    for row in hardest:
        yield _item(found, row, evidence[row["image_id"]], pictures)


class _Evidence:
    """What is known of an image: its labels, its questions, and the models that chose a label."""

    def __init__(self) -> None:
        self.labels: list[int] = []
        self.questions: dict[int, Mapping[str, Any]] = {}
        self.choices: dict[int, list[tuple[str, float | None]]] = {}


def _evidence(found: Found, image_ids: Sequence[int]) -> dict[int, _Evidence]:
    con = found.session.con
    known = {image_id: _Evidence() for image_id in image_ids}
    of_these = "where list_contains($1, image_id)"
    for image_id, label in con.execute(
        f"select image_id, label from labels {of_these} order by image_id, position",  # noqa: S608
        [image_ids],
    ).fetchall():
        known[image_id].labels.append(label)
    if why_without(found.session, "rated_questions") is None:
        for row in records(con.sql(f"from rated_questions {of_these}", params=[image_ids])):
            known[row["image_id"]].questions[row["label"]] = row
    order = [row["model"] for row in found.models]
    for image_id, label, model, confidence in con.execute(
        f"""
        select image_id, label, model, confidence
        from scored_predictions {of_these}
        order by list_position($2, model)
        """,  # noqa: S608
        [image_ids, order],
    ).fetchall():
        known[image_id].choices.setdefault(label, []).append((model, confidence))
    return known


def _item(found: Found, row: Mapping[str, Any], evidence: _Evidence, pictures: Pictures) -> Item:
    image_id, original = row["image_id"], row["original_label"]
    has_votes = bool(evidence.questions)
    # With a grouping that matches, the labels are whole groups of classes.
    labels = evidence.labels if found.rules.match is None else []
    listed = {*labels, *evidence.questions, *evidence.choices}
    if original is not None:
        listed.add(original)
    order = sorted(
        listed,
        key=lambda label: (
            -len(evidence.choices.get(label, ())),
            label not in evidence.labels,
            -(evidence.questions.get(label, {}).get("score") or 0),
            label,
        ),
    )

    def cells_of(label: int) -> Iterator[Text]:
        yield name(found.class_name(label))
        chosen: list[str] = []
        for model, confidence in evidence.choices.get(label, ()):
            chosen += [", "] if chosen else []
            chosen += [found.model(model)]
            chosen += [f" ({confidence:.2f})"] if confidence is not None else []
        yield tuple(chosen)
        yield "yes" if label in evidence.labels else "no"
        if original is not None:
            yield "yes" if label == original else ""
        if has_votes:
            question = evidence.questions.get(label)
            for column in ("yes_votes", "maybe_votes", "no_votes"):
                yield cells.count(question[column]) if question else cells.MISSING
            yield cells.number(question["score"] if question else None)

    file_name = row["file_name"]
    wrong = f"{row['wrong_models']:,} of {counted(row['models'], 'model')} wrong."
    about = f"{file_name}. {wrong}"
    if has_votes:
        about += " The votes are those of the raters."
    elif found.rules.chosen.is_real and why_without(found.session, "rated_questions") is None:
        about += " No rater was asked about this image; it keeps its original label."
    return Item(
        title=f"Image {image_id}",
        text=about,
        table=Table(
            name=f"Labels, votes and answers for image {image_id}",
            columns=[
                Column(title="Class"),
                Column(title="First choice of (confidence)", kind="names"),
                Column(title=_label_title(found)),
                *([Column(title="Original")] if original is not None else []),
                *(
                    [Column(title=each, kind=_NUMBER) for each in ("Yes", "Maybe", "No", "Score")]
                    if has_votes
                    else []
                ),
            ],
            rows=[[*cells_of(label)] for label in order],
        ),
        picture=pictures.of(image_id),
    )


def _label_title(found: Found) -> str:
    if found.rules.match is not None:
        return "Right"
    return "ReaL label" if found.rules.is_published else "Label"


def _pairs(models: int) -> int:
    return models * (models - 1) // 2


def _cut(number: int, most: int, what: str, command: str, which: str = "first") -> str | None:
    """Return the note on rows that are not shown; None if all are."""
    if number <= most:
        return None
    return f"The {which} {most:,} of {number:,} {what} are shown. All of them: {command}."
