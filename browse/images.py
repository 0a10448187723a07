"""The filters of the page Images: what its address says, how many images each choice leaves.

A filter is a parameter of the address, such as `rated=yes` or `wrong=ViT`. All values are bound in
SQL. The number beside a choice is the number of images on the page that its link leads to.
"""

from __future__ import annotations

import contextlib
import csv
import io
import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ..errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .prepared import Prepared

PAGE = 60
_MOST_CACHED = 64
_MOST_CLASSES = 6
_MOST_FLAGS = 40
_BATCH = 5_000
# Held while the results of a `Prepared` are changed: pages are made in several threads.
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Condition:
    """A condition on the image `i` in SQL, with its values."""

    sql: str
    values: tuple[object, ...] = ()


@dataclass(frozen=True)
class Choices:
    """A filter with a fixed list of choices. Each is a condition on the image `i`."""

    title: str
    choices: Mapping[str, str]
    # Without this table the filter is left out.
    needs: str = "image_labels"


FIXED: dict[str, Choices] = {
    "rated": Choices("Rated", {"yes": "i.is_rated", "no": "not i.is_rated"}, "rated_questions"),
    "labels": Choices(
        "ReaL labels",
        {
            **{str(count): f"i.label_count = {count}" for count in range(4)},
            "4-or-more": "i.label_count >= 4",
        },
    ),
    "original": Choices(
        "Original label by ReaL",
        {"kept": "i.is_original_real", "rejected": "not i.is_original_real"},
    ),
    "contested": Choices(
        "Contested by raters",
        {
            "yes": "i.contested_questions > 0",
            "no": "i.has_votes and coalesce(i.contested_questions, 0) = 0",
        },
        "contested_images",
    ),
    "kind": Choices(
        "Original class is",
        {"animal": "i.is_animal", "object": "not i.is_animal"},
    ),
}
# Classes, and the condition on the image with the class as value.
CLASSES: dict[str, tuple[str, str]] = {
    "original_class": ("Original class", "i.original_label = ?"),
    "real_class": ("ReaL class", "list_contains(i.labels, ?::smallint)"),
    "predicted_class": (
        "Predicted class",
        "i.image_id in (select image_id from scored_predictions where label = ?)",
    ),
}
_RIGHT = "i.image_id in (select image_id from scored_predictions where model = ? and {})"
MODELS: dict[str, tuple[str, str]] = {
    "right": ("right", _RIGHT.format("is_real_correct")),
    "wrong": ("wrong", _RIGHT.format("not is_real_correct")),
}
VERDICTS = {
    "correct": "correct",
    "unclear": "unclear",
    "wrong": "wrong",
    "none": "no verdict",
}
# Filters that may be repeated, and how their values are read.
_REPEATED = ("verdict", "flag", "group", "right", "wrong", "differ")
_SCORES = ("score_low", "score_high")
_OTHERS = ("sort", "page")
ORDERS: dict[str, tuple[str, str]] = {
    "image": ("image", "i.image_id"),
    "wrong-models": ("wrong models, most first", "i.wrong_models desc, i.image_id"),
    "labels": ("ReaL labels, most first", "i.label_count desc, i.image_id"),
    "disagreement": (
        "disagreement of raters, highest first",
        "i.mean_disagreement desc nulls last, i.image_id",
    ),
    "threshold": (
        "score next to the threshold first",
        "abs(i.closest_score - 0.8) nulls last, i.image_id",
    ),
}
# Bins of the filter by score.
BINS = ((0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 0.9), (0.9, 1))


@dataclass(frozen=True)
class Link:
    """A choice of a filter: its text, the number of images, and the filters of its page."""

    text: str
    images: int | None
    selection: Selection
    is_active: bool = False


@dataclass(frozen=True)
class Facet:
    """A filter with its choices."""

    title: str
    links: tuple[Link, ...]


@dataclass(frozen=True)
class Selection:
    """The filters of a page, in the order of their names, and the order of its images."""

    filters: tuple[tuple[str, str], ...] = ()
    sort: str = "image"

    def get(self, name: str) -> str | None:
        """Return the value of a filter; None if it is not set."""
        return next((value for key, value in self.filters if key == name), None)

    def all(self, name: str) -> list[str]:
        """Return the values of a filter that may be repeated."""
        return [value for key, value in self.filters if key == name]

    def without(self, *names: str, value: str | None = None) -> Selection:
        """Return the selection without filters, or only without one value of them."""
        left = [
            (key, each)
            for key, each in self.filters
            if key not in names or (value is not None and each != value)
        ]
        return Selection(tuple(left), self.sort)

    def plus(self, name: str, value: str) -> Selection:
        """Return the selection with one more filter. A filter that is not repeatable changes."""
        base = self if name in _REPEATED else self.without(name)
        return Selection(tuple(sorted({*base.filters, (name, value)})), self.sort)

    def sorted_by(self, sort: str) -> Selection:
        """Return the selection in another order."""
        return Selection(self.filters, sort)

    def query(self, page: int = 1) -> str:
        """Return the address's part after `?`, with the `?`; nothing without any parameter."""
        parameters = [*self.filters]
        parameters += [("sort", self.sort)] if self.sort != "image" else []
        parameters += [("page", str(page))] if page != 1 else []
        return f"?{urlencode(parameters)}" if parameters else ""

    def with_page(self, page: int) -> str:
        """Return `query` for a page."""
        return self.query(page)


def read(parameters: Iterable[tuple[str, str]], prepared: Prepared) -> tuple[Selection, int]:
    """Return the selection and the page of an address.

    Raises UsageError for an unknown parameter or value: a filter that is ignored would show other
    images than its address says.
    """
    known = [*FIXED, *CLASSES, *_REPEATED, *_SCORES, *_OTHERS]
    found: dict[str, list[str]] = {}
    for name, value in parameters:
        if name not in known:
            raise UsageError(
                f"the address has an unknown parameter {name!r}",
                value=name,
                remedy=did_you_mean(name, known, f"The parameters are {', '.join(known)}"),
            )
        if value != "":  # a field of a form that was left empty
            found.setdefault(name, []).append(value)
    for name, values in found.items():
        if len(values) > 1 and name not in _REPEATED:
            raise UsageError(f"the parameter {name} is set {len(values)} times", value=name)
    filters = sorted(
        {
            (name, _checked(name, value, prepared))
            for name, values in found.items()
            if name not in _OTHERS
            for value in values
        }
    )
    differ = [value for name, value in filters if name == "differ"]
    if len(differ) not in (0, 2):
        raise UsageError(
            f"the parameter differ has {len(differ)} different models, and it needs two",
            value="differ",
            count=len(differ),
        )
    sort = found.get("sort", ["image"])[0]
    if sort not in ORDERS:
        raise _unknown("sort", sort, ORDERS)
    page = number("page", found.get("page", ["1"])[0])
    if not 1 <= page <= 1_000_000:
        raise UsageError(f"the parameter page is {page}, and pages begin at 1", value=page)
    return Selection(tuple(filters), sort), page


def _checked(name: str, value: str, prepared: Prepared) -> str:
    """Return the value of a filter in its usual form; UsageError if it has no meaning."""
    if name in FIXED:
        if value not in FIXED[name].choices:
            raise _unknown(name, value, FIXED[name].choices)
    elif name in CLASSES:
        return str(class_of(prepared, value))
    elif name in _SCORES:
        return f"{_share(name, value):.12g}"
    elif name in ("right", "wrong", "differ"):
        if value not in prepared.models:
            raise _unknown(name, value, prepared.models)
    elif value not in (known := _pairs(prepared, name)):
        raise _unknown(name, value, known)
    return value


def _pairs(prepared: Prepared, name: str) -> list[str]:
    """Return the values of the filters verdict, flag and group in this store."""
    known: list[str] = cached(prepared, ("pairs", name), lambda: prepared.column(_KNOWN[name]))
    if name == "verdict":
        return [f"{label_set}:{verdict}" for label_set in known for verdict in VERDICTS]
    return known


def class_of(prepared: Prepared, text: str) -> int:
    """Return the class for an id, a WordNet id or a name; UsageError if it is none, or several."""
    wanted = text.strip().lower()
    if wanted.isascii() and wanted.isdecimal() and len(wanted) < 5 and int(wanted) < 1000:
        return int(wanted)
    found = {
        label
        for label, about in prepared.classes.items()
        if wanted == about["wordnet_id"]
        or wanted in (name.strip().lower() for name in (about["name"] or "").split(","))
    }
    if len(found) == 1:
        return found.pop()
    if found:
        listed = " and ".join(map(str, sorted(found)))
        raise UsageError(
            f"the name {text!r} belongs to the classes {listed}",
            value=text,
            count=len(found),
            remedy="Use one of these numbers",
        )
    names = [about["short"] for about in prepared.classes.values() if about["short"]]
    raise UsageError(
        f"there is no class {text!r}",
        value=text,
        remedy=did_you_mean(text, names, "Use a number from 0 to 999, a WordNet id or a name"),
    )


def _unknown(name: str, value: str, choices: Iterable[str]) -> UsageError:
    choices = [*choices]
    listed = f"Use one of: {', '.join(choices[:20])}" if choices else None
    return UsageError(
        f"the parameter {name} is {value!r}, which is not one of its values",
        value=value,
        parameter=None,
        remedy=did_you_mean(value, choices, listed or "There is none in this store"),
    )


def number(name: str, text: str) -> int:
    """Return the number in a parameter; UsageError if it is none."""
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise UsageError(f"the parameter {name} is {text!r}, which is not a number", value=text)
    return int(text)


def _share(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise UsageError(
            f"the parameter {name} is {text!r}, which is not a number from 0 to 1", value=text
        )
    return value


def conditions(selection: Selection) -> list[Condition]:
    """Return the conditions on the image `i`."""
    found: list[Condition] = []
    for name, value in selection.filters:
        if name in FIXED:
            found.append(Condition(FIXED[name].choices[value]))
        elif name in CLASSES:
            found.append(Condition(CLASSES[name][1], (int(value),)))
        elif name in MODELS:
            found.append(Condition(MODELS[name][1], (value,)))
        elif name in _PAIRS:
            before, _, after = value.rpartition(":") if name == "verdict" else value.partition(":")
            found.append(Condition(_PAIRS[name], (before, *_flag(after, name))))
    differ = selection.all("differ")
    if differ:
        found.append(Condition(_DIFFER, tuple(differ)))
    low, high = selection.get("score_low"), selection.get("score_high")
    if low is not None or high is not None:
        found.append(Condition(_SCORED, (float(low or 0), float(high or 1))))
    return found


_PAIRS = {
    "verdict": "i.image_id in (select image_id from original_verdicts "
    "where label_set = ? and verdict = ?)",
    "flag": "i.image_id in (select image_id from image_flags where label_set = ? and flag = ? "
    "and (? = '' or value = ?))",
    "group": "i.image_id in (select image_id from image_groups where grouping = ? "
    "and group_name = ?)",
}
_KNOWN = {
    "verdict": "select distinct label_set from original_verdicts order by 1",
    "flag": "select distinct label_set || ':' || flag || coalesce('=' || value, '') "
    "from image_flags order by 1",
    "group": "select distinct grouping || ':' || group_name from image_groups order by 1",
}
_DIFFER = """
i.image_id in (
    select a.image_id
    from scored_predictions as a
    inner join scored_predictions as b on a.image_id = b.image_id
    where a.model = ? and b.model = ? and a.label <> b.label
)
"""
# As in the views, a score is compared after rounding to 12 decimals.
_SCORED = """
i.image_id in (
    select image_id
    from rated_questions
    where round(score, 12) >= round(?::double, 12) and round(score, 12) <= round(?::double, 12)
)
"""


def _flag(text: str, name: str) -> tuple[str, ...]:
    """Return the values for a flag FLAG or FLAG=VALUE."""
    if name != "flag":
        return (text,)
    flag, _, value = text.partition("=")
    return (flag, value, value)


def _where(selection: Selection) -> tuple[str, list[object]]:
    found = conditions(selection)
    sql = " and ".join(f"({condition.sql})" for condition in found) or "true"
    return sql, [value for condition in found for value in condition.values]


def cached(prepared: Prepared, key: object, make: Callable[[], Any]) -> Any:
    """Return a result for these tables, made before or now. Some of them are kept."""
    with _LOCK:
        if key in prepared.results:
            prepared.results[key] = found = prepared.results.pop(key)  # the last used is the last
            return found
    found = make()
    with _LOCK:
        prepared.results[key] = found
        while len(prepared.results) > _MOST_CACHED:
            prepared.results.pop(next(iter(prepared.results)))
    return found


def ids(prepared: Prepared, selection: Selection) -> NDArray[np.int32]:
    """Return the images of a selection in its order."""

    def make() -> NDArray[np.int32]:
        import numpy as np

        where, values = _where(selection)
        found = prepared.con.execute(
            f"select i.image_id from shown_images as i where {where} "  # noqa: S608
            f"order by {ORDERS[selection.sort][1]}",
            values,
        ).fetchnumpy()
        return np.asarray(found["image_id"], dtype=np.int32)

    found: NDArray[np.int32] = cached(prepared, ("ids", selection), make)
    return found


def facets(prepared: Prepared, selection: Selection) -> list[Facet]:
    """Return the filters with their choices. Choices without images are left out."""

    def make() -> list[Facet]:
        found = [
            *_fixed(prepared, selection),
            *_models(prepared, selection),
            *_paired(prepared, selection),
            _scores(prepared, selection),
            *_classes(prepared, selection),
        ]
        return [facet for facet in found if facet.links]

    found: list[Facet] = cached(prepared, ("facets", selection), make)
    return found


def _fixed(prepared: Prepared, selection: Selection) -> Iterable[Facet]:
    for name, filter_ in FIXED.items():
        if filter_.needs not in prepared.names:
            continue
        active = selection.get(name)
        where, values = _where(selection.without(name))
        counts = ", ".join(
            f"count(*) filter (where {condition})" for condition in filter_.choices.values()
        )
        (row,) = prepared.con.execute(
            f"select {counts} from shown_images as i where {where}",  # noqa: S608
            values,
        ).fetchall()
        links = [
            _removal(choice, selection.without(name), images)
            if choice == active
            else Link(choice.replace("-", " "), images, selection.plus(name, choice))
            for choice, images in zip(filter_.choices, row, strict=True)
        ]
        yield Facet(filter_.title, _with_images(links))


def _removal(text: str, selection: Selection, images: int | None = None) -> Link:
    return Link(text.replace("-", " "), images, selection, is_active=True)


def _with_images(links: Iterable[Link]) -> tuple[Link, ...]:
    return tuple(link for link in links if link.images or link.is_active)


def _models(prepared: Prepared, selection: Selection) -> Iterable[Facet]:
    """Yield, for each model, how often it is right and wrong."""
    where, values = _where(selection)
    counts = {
        model: dict(zip(MODELS, numbers, strict=True))
        for model, *numbers in prepared.con.execute(_RIGHT_WRONG.format(where), values).fetchall()
    }
    for model in prepared.models:
        active = [name for name in MODELS if model in selection.all(name)]
        found = counts.get(model, {})
        base = selection
        if active:
            base = selection.without(*MODELS, value=model)
            where, values = _where(base)
            ((_, *numbers),) = prepared.con.execute(
                _RIGHT_WRONG.format(f"{where} and p.model = ?"), [*values, model]
            ).fetchall() or [(model, 0, 0)]
            found = dict(zip(MODELS, numbers, strict=True))
        links = [
            _removal(name, selection.without(name, value=model), found.get(name, 0))
            if name in active
            else Link(name, found.get(name, 0), base.plus(name, model))
            for name in MODELS
        ]
        yield Facet(f"Model {model}", _with_images(links))


_RIGHT_WRONG = """
    select
        p.model,
        count(*) filter (where p.is_real_correct) as right_images,
        count(*) filter (where not p.is_real_correct) as wrong_images
    from shown_images as i
    inner join scored_predictions as p on i.image_id = p.image_id
    where {}
    group by p.model
"""


def _paired(prepared: Prepared, selection: Selection) -> Iterable[Facet]:
    """Yield the verdicts of each label set, the flags, and the groups of images."""
    where, values = _where(selection)
    sets: list[str] = [value.rpartition(":")[0] for value in _pairs(prepared, "verdict")]
    counts: dict[tuple[str, str], int] = {
        (name, verdict): images
        for name, verdict, images in prepared.con.execute(
            _VERDICTS.format(where), values
        ).fetchall()
    }
    for name in dict.fromkeys(sets):
        active = [value for value in selection.all("verdict") if value.rpartition(":")[0] == name]
        base = selection
        for value in active:
            base = base.without("verdict", value=value)
        if active:
            other, bound = _where(base)
            counts |= {
                (name, verdict): images
                for _, verdict, images in prepared.con.execute(
                    _VERDICTS.format(f"{other} and v.label_set = ?"), [*bound, name]
                ).fetchall()
            }
        links = [
            _removal(
                text,
                selection.without("verdict", value=f"{name}:{verdict}"),
                counts.get((name, verdict), 0),
            )
            if f"{name}:{verdict}" in active
            else Link(
                text, counts.get((name, verdict), 0), base.plus("verdict", f"{name}:{verdict}")
            )
            for verdict, text in VERDICTS.items()
        ]
        yield Facet(f"Original label by {name}", _with_images(links))
    for name, title, sql in (("flag", "Flags", _FLAGS), ("group", "Groups of images", _GROUPS)):
        found = prepared.con.execute(sql.format(where), values).fetchall()
        seen = dict(found)
        active = selection.all(name)
        links = [_removal(value, selection.without(name, value=value)) for value in active]
        links += [
            Link(value, images, selection.plus(name, value))
            for value, images in seen.items()
            if value not in active
        ]
        yield Facet(title, _with_images(links[:_MOST_FLAGS]))


_VERDICTS = """
    select
        v.label_set,
        v.verdict,
        count(distinct i.image_id) as images
    from shown_images as i
    inner join original_verdicts as v on i.image_id = v.image_id
    where {}
    group by v.label_set, v.verdict
"""
_FLAGS = """
    select
        f.label_set || ':' || f.flag || coalesce('=' || f.value, '') as flag,
        count(distinct i.image_id) as images
    from shown_images as i
    inner join image_flags as f on i.image_id = f.image_id
    where {}
    group by all
    order by images desc, flag
"""
_GROUPS = """
    select
        g.grouping || ':' || g.group_name as name,
        count(distinct i.image_id) as images
    from shown_images as i
    inner join image_groups as g on i.image_id = g.image_id
    where {}
    group by all
    order by images desc, name
"""


def _scores(prepared: Prepared, selection: Selection) -> Facet:
    """Return the ranges of the score. The images have a question with a score in the range."""
    base = selection.without(*_SCORES)
    low, high = selection.get("score_low"), selection.get("score_high")
    where, values = _where(base)
    counts = ", ".join(
        "count(distinct i.image_id) filter (where round(q.score, 12) >= "
        f"{start} and round(q.score, 12) <= {end})"
        for start, end in BINS
    )
    (row,) = prepared.con.execute(
        f"""
        select {counts}
        from shown_images as i
        inner join rated_questions as q on i.image_id = q.image_id
        where {where}
        """,  # noqa: S608
        values,
    ).fetchall()
    links = []
    if low is not None or high is not None:
        links.append(_removal(f"{low or 0} to {high or 1}", base))
    for (start, end), images in zip(BINS, row, strict=True):
        other = base.plus("score_low", f"{start:.12g}").plus("score_high", f"{end:.12g}")
        if other != selection:
            links.append(Link(f"{start:g} to {end:g}", images, other))
    return Facet("A label has a score of", _with_images(links))


def _classes(prepared: Prepared, selection: Selection) -> Iterable[Facet]:
    """Yield the most frequent classes."""
    where, values = _where(selection)
    for name, (title, _) in CLASSES.items():
        active = selection.get(name)
        if active is not None:
            text = class_text(prepared, int(active))
            yield Facet(title, (_removal(text, selection.without(name)),))
            continue
        found = prepared.con.execute(_BY_CLASS[name].format(where), values).fetchall()
        links = [
            Link(class_text(prepared, label), images, selection.plus(name, str(label)))
            for label, images in found
        ]
        yield Facet(title, _with_images(links))


_BY_CLASS = {
    "original_class": """
        select i.original_label as label, count(*) as images
        from shown_images as i
        where i.original_label is not null and {}
    """,
    "real_class": """
        select l.label, count(*) as images
        from shown_images as i
        inner join labels as l on i.image_id = l.image_id
        where {}
    """,
    "predicted_class": """
        select p.label, count(distinct i.image_id) as images
        from shown_images as i
        inner join scored_predictions as p on i.image_id = p.image_id
        where {}
    """,
}
_BY_CLASS = {
    name: f"{sql} group by all order by images desc, label limit {_MOST_CLASSES}"
    for name, sql in _BY_CLASS.items()
}


def class_text(prepared: Prepared, label: int) -> str:
    """Return the name of a class with its id, which tells apart the two classes `crane`."""
    name = prepared.class_names.get(label)
    return f"{name} ({label})" if name else f"class {label}"


def cards(prepared: Prepared, image_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Return what the grid shows of images, in their order."""
    found = {
        row["image_id"]: row
        for row in prepared.rows(
            "select image_id, file_name, original_label, labels, is_original_real, is_rated, "
            "models, wrong_models from shown_images where image_id in (select unnest($1))",
            [[int(image_id) for image_id in image_ids]],
        )
    }
    return [found[int(image_id)] for image_id in image_ids]


_EXPORTED = """
    select
        i.image_id,
        i.file_name,
        i.original_label,
        array_to_string(i.labels, ' ') as real_labels,
        i.label_count,
        i.is_rated,
        i.is_original_real,
        i.contested_questions,
        i.mean_disagreement,
        i.closest_score,
        i.models,
        i.wrong_models
    from shown_images as i
"""


def file(prepared: Prepared, selection: Selection, form: str) -> bytes:
    """Return the images of a selection as a CSV or Parquet file."""
    from ..exports import parquet

    where, values = _where(selection)
    sql = f"{_EXPORTED} where {where} order by {ORDERS[selection.sort][1]}"
    if form == "csv":
        # All cells are numbers, names of files, or empty.
        found = prepared.con.execute(sql, values)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([column[0] for column in found.description])
        while batch := found.fetchmany(_BATCH):
            writer.writerows(batch)
        return text.getvalue().encode()
    out = io.BytesIO()
    parquet.write_stream(prepared.con.sql(sql, params=values), out, contextlib.nullcontext)
    return out.getvalue()


def described(prepared: Prepared, selection: Selection) -> list[str]:
    """Return the filters in words."""
    words = []
    for name, value in selection.filters:
        if name in FIXED:
            words.append(f"{FIXED[name].title}: {value.replace('-', ' ')}")
        elif name in CLASSES:
            words.append(f"{CLASSES[name][0]}: {class_text(prepared, int(value))}")
        elif name in MODELS:
            words.append(f"{value} is {name}")
        elif name == "verdict":
            label_set, _, verdict = value.rpartition(":")
            words.append(f"original label by {label_set}: {VERDICTS[verdict]}")
        elif name not in ("differ", *_SCORES):
            words.append(f"{name} {value}")
    differ = selection.all("differ")
    if differ:
        words.append(f"{differ[0]} and {differ[1]} choose different labels")
    low, high = selection.get("score_low"), selection.get("score_high")
    if low is not None or high is not None:
        words.append(f"a label has a score of {low or 0} to {high or 1}")
    return words
