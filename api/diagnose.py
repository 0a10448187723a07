"""Say what a file of predictions is, whether it makes sense, and what would mend it."""

from __future__ import annotations

import contextlib
import shlex
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, RealdbWarning, UsageError
from .build import open_store

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    import numpy.typing as npt

    from ..ingest.progress import Progress
    from ..queries import doctor as hypotheses

IMAGES = 50_000
_NEAR_CHANCE = 0.02
# No model agrees with labels as closely as these labels themselves do.
_TOO_GOOD = 0.98
_ENOUGH = 200
# A model that says one label for more images than this has collapsed.
_COLLAPSED = 0.1
# How far a model's confidence, where it is highest, may lie above its accuracy there.
_OVERCONFIDENT = 0.3

# The predictions that `predictions.add` refuses for an image number or a label out of range: as
# there, but with these as they are. What is not even a whole number stays NULL.
_LENIENT = r"""
create table stated as
select
    coalesce(cast(model as varchar), $model) as model,
    coalesce(
        try_cast(regexp_extract(cast(image as varchar), $image_name || '$', 1) as bigint),
        try_cast(regexp_extract(cast(image as varchar), $number, 1) as bigint)
    ) as image,
    case
        when rank is null then 1
        else try_cast(regexp_extract(cast(rank as varchar), $number, 1) as smallint)
    end as rank,
    try_cast(regexp_extract(cast(label as varchar), $number, 1) as bigint) as label,
    case
        when confidence is not null
            then coalesce(try_cast(cast(confidence as varchar) as double), cast('nan' as double))
    end as confidence
from given
"""
# A whole number as in predictions.sql, or below 0.
_NUMBER = r"^[ \t]*(-?\d+)(?:\.0*)?[ \t]*$"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A usual mistake that was looked for, and the ReaL accuracy without and with its repair.

    `name` is what `fix` takes, `meaning` the mistake in words, `note` how sure it is where that is
    to be said, and `fix` the command that writes the repaired file; empty where it repairs nothing.
    """

    name: str
    meaning: str
    accuracy_before: float
    accuracy_after: float
    fix: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What predictions are, and whether they make sense. `str()` gives the report.

    where, format: what was given, and the format it was read as (None for what is no file)
    model: whose predictions they are
    rows, images, ranks: how many predictions, images among 1-50000, and ranks of an image at most
    confidence_low, confidence_high: the range of the first choices' confidence; None without any
    real_accuracy, scored_images, original_accuracy: as stated, whatever mistake there is; None
        where nothing can be judged
    refusal: why `realdb accuracy` refuses them; None where it does not
    verdict: sound, suspicious or faulty
    reason: why, in a sentence
    findings: the mistakes whose repair mends them, best first; several where they are as good
    tried: all mistakes that were looked for
    """

    where: str
    format: str | None
    model: str
    rows: int
    images: int
    ranks: int
    confidence_low: float | None
    confidence_high: float | None
    real_accuracy: float | None
    scored_images: int
    original_accuracy: float | None
    refusal: str | None
    verdict: str
    reason: str
    findings: tuple[Finding, ...]
    tried: tuple[Finding, ...]

    def __str__(self) -> str:
        about = [
            self.format or "in memory",
            f"model {self.model}",
            f"{self.rows:,} rows",
            f"{self.images:,} of {IMAGES:,} images",
            "one prediction each" if self.ranks == 1 else f"up to {self.ranks} predictions each",
            "no confidence"
            if self.confidence_low is None
            else f"confidence {self.confidence_low:.4g} to {self.confidence_high:.4g}",
        ]
        real, original = _share(self.real_accuracy), _share(self.original_accuracy)
        lines = [
            _wrapped(f"{self.where}: {', '.join(about)}"),
            f"ReaL accuracy {real} on {self.scored_images:,} images, original accuracy {original}",
        ]
        if self.refusal:
            lines.append(_wrapped(f"realdb accuracy refuses it: {self.refusal}"))
        lines.append(_wrapped(f"{self.verdict}: {self.reason}"))
        for finding in self.findings:
            lines.append(
                f"  {finding.name}: ReaL accuracy {_share(finding.accuracy_before)} -> "
                f"{_share(finding.accuracy_after)}"
            )
            lines += [_wrapped(finding.note, 4)] if finding.note else []
            lines.append(f"    {finding.fix}")  # whole, to be copied
        return "\n".join(lines)


def doctor(
    predictions: object,
    *,
    fix: str | None = None,
    out: str | Path | None = None,
    force: bool = False,
    model: str | None = None,
    columns: Mapping[str, str] | None = None,
    input_format: str | None = None,
    order: str | Path | None = None,
    store: str | Path | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> Diagnosis:
    """Say what predictions are, whether they make sense, and which usual mistake explains it.

    `predictions` are those of one model, in any form that `realdb.accuracy` takes; of several
    models, `model` chooses one. `columns`, `input_format` and `order` are as in
    `realdb.accuracy_table`. Image numbers and class ids may be out of range: that is what some
    mistakes look like. `fix` names a finding: its repair is then written to `out`, a Parquet file
    of model, file_name, rank, label and confidence, whole or not at all; a file that is there is
    replaced only with `force`.

    Raises DataError where the predictions cannot be read, where `fix` repairs nothing, and where
    `out` is there or cannot be written. Warns where the repair leaves predictions out because they
    name no image or class.

    >>> realdb.doctor("ViT.csv").verdict  # doctest: +SKIP
    'sound'
    """
    if (fix is None) != (out is None):
        raise UsageError("a repair needs its name and where to write it: both fix and out")
    from ..queries import doctor as hypotheses

    opened = open_store(store, offline, progress)
    con = opened.connect(["images", "labels", "classes"])
    with _named(predictions) as (given, where):
        refusal = _state(con, given, where, columns=columns, input_format=input_format, order=order)
        form = _format(given, input_format)
    chosen = _choose_model(con, where, model)
    first = con.execute("select image, label, confidence from stated where rank = 1").fetchnumpy()
    truth = hypotheses.truth(con)
    tried = hypotheses.trials(truth, first["image"], first["label"])
    if fix is not None and out is not None:
        repair = _repair(where, fix, hypotheses.likeliest(tried))
        _write(con, where, repair, Path(out), force=force)
    rows, ranks = con.execute("select count(*), max(rank) from stated").fetchall()[0]
    return _diagnosis(
        truth,
        first,
        tried,
        command=_command(predictions, model, columns, input_format, order),
        where=where,
        format=form,
        model=chosen,
        rows=rows,
        ranks=ranks,
        refusal=refusal,
    )


def tried_table(diagnosis: Diagnosis) -> duckdb.DuckDBPyRelation:
    """Return what was tried as rows: a row for each mistake looked for, as in Finding."""
    import duckdb
    import pyarrow as pa

    repairs = {finding.name for finding in diagnosis.findings}
    rows = [
        {
            "model": diagnosis.model,
            "name": finding.name,
            "is_finding": finding.name in repairs,
            "accuracy_before": finding.accuracy_before,
            "accuracy_after": finding.accuracy_after,
            "meaning": finding.meaning,
            "fix": finding.fix or None,
        }
        for finding in diagnosis.tried
    ]
    kinds = {"is_finding": pa.bool_(), "accuracy_before": pa.float64()}
    kinds["accuracy_after"] = pa.float64()
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in rows[0]])
    return duckdb.connect().from_arrow(pa.Table.from_pylist(rows, schema=schema))


@contextlib.contextmanager
def _named(given: object) -> Iterator[tuple[object, str]]:
    """Yield what is given and what to call it; what is no plain file as one, to be read twice."""
    from ..ingest.formats import plain

    if not isinstance(given, str | Path):
        yield given, "the predictions"
    elif plain.is_needed(given):
        with plain.copy(given) as path:
            yield path, "standard input" if str(given) == "-" else str(given)
    else:
        yield given, str(given)


def _state(con: duckdb.DuckDBPyConnection, given: object, where: str, **choices: Any) -> str | None:
    """Put the predictions into the table `stated` of `con`; return why they would be refused.

    Its columns are those of `predictions`, but `image` and `label` are numbers of any size. Raises
    DataError where they are refused for another reason than their range.
    """
    from ..ingest import predictions as reading

    try:
        reading.add(con, given, **choices)
    except DataError as error:
        message = str(error)
        if isinstance(given, str | Path):
            message = message.replace(str(given), where)
        if not _state_leniently(con, given, **choices):
            raise DataError(message) from None
        return message
    con.execute(
        "create table stated as "
        "select model, image_id as image, rank, label, confidence from predictions"
    )
    return None


def _state_leniently(
    con: duckdb.DuckDBPyConnection,
    given: object,
    *,
    columns: Mapping[str, str] | None,
    input_format: str | None,
    order: str | Path | None,
) -> bool:
    """Fill `stated`, and say whether ranges are all that is wrong with the predictions."""
    import duckdb

    from ..ingest import formats, image_names
    from ..ingest import predictions as reading

    try:
        told = formats.Told(columns=columns or {}, images=reading.images_in(con, order))
        relation, _, model = reading.read(con, given, told, input_format)
        relation.create_view("given", replace=True)
        con.execute(
            _LENIENT, {"model": model, "image_name": image_names.PATTERN, "number": _NUMBER}
        )
        complete, distinct = con.execute(
            """
            select
                bool_and(image is not null and rank >= 1 and label is not null)
                    and not coalesce(bool_or(isnan(confidence)), false),
                count(distinct (model, image, rank)) = count(*)
                    and count(distinct (model, image, label)) = count(*)
                    and count(distinct (model, image)) = count(*) filter (rank = 1)
            from stated
            """
        ).fetchall()[0]
    except (DataError, duckdb.Error):
        return False
    finally:
        con.execute("drop view if exists given")
        con.unregister(formats.REGISTERED)
    for doubt in told.doubts:
        warnings.warn(doubt, RealdbWarning, stacklevel=4)
    return bool(complete and distinct)


def _choose_model(con: duckdb.DuckDBPyConnection, where: str, model: str | None) -> str:
    """Leave one model in `stated`, and return its name."""
    found = con.execute("select distinct model from stated order by model").fetchall()
    names = [name for (name,) in found]
    if len(names) > 1 if model is None else model not in names:
        listed = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        raise DataError(
            f"{where} has {len(names)} models ({listed})"
            + (f", and {model!r} is none of them" if model is not None else "")
            + ". One is looked at at a time: choose it by --model NAME"
        )
    chosen = str(model if model is not None else names[0])
    con.execute("delete from stated where model <> $1", [chosen])
    return chosen


def _diagnosis(
    truth: hypotheses.Truth,
    first: Mapping[str, npt.NDArray[Any]],
    tried: list[hypotheses.Trial],
    *,
    command: str,
    refusal: str | None,
    **about: Any,
) -> Diagnosis:
    """Return the diagnosis of first choices, `first`, with what is known of their file."""
    import numpy as np

    from ..queries import doctor as hypotheses

    image, label = hypotheses.means(hypotheses.as_stated(), first["image"], first["label"])
    real = hypotheses.real_hits(truth, image, label)
    known = truth.original[image]
    original = hypotheses.Share(
        int(np.count_nonzero((known >= 0) & (known == label))), int(np.count_nonzero(known >= 0))
    )
    confidence = np.ma.asarray(first["confidence"]).compressed().astype(np.float64)
    if len(confidence) < len(image):
        confidence = confidence[:0]  # not all have one: it says nothing of the whole
    likeliest = {trial.hypothesis.name for trial in hypotheses.likeliest(tried)}
    findings = {
        name: Finding(
            name=name,
            meaning=trial.hypothesis.meaning,
            accuracy_before=real.value,
            accuracy_after=trial.after.value,
            fix=command.format(name) if name in likeliest else "",
            note=trial.hypothesis.note,
        )
        for trial in tried
        for name in (trial.hypothesis.name,)
    }
    found = sorted(
        (findings[name] for name in likeliest), key=lambda finding: -finding.accuracy_after
    )
    if found:
        verdict, reason = "faulty", " or ".join(finding.meaning for finding in found)
    else:
        verdict, reason = _judge(truth, image, label, first["label"], real, original, confidence)
        if refusal:
            fine = f"; apart from that, {reason}" if verdict == "sound" else ""
            verdict = "faulty"
            reason = f"realdb accuracy refuses it, and no usual mistake explains why{fine}"
    return Diagnosis(
        images=len(np.unique(image[image > 0])),
        confidence_low=float(confidence.min()) if len(confidence) else None,
        confidence_high=float(confidence.max()) if len(confidence) else None,
        real_accuracy=real.value if real.total else None,
        scored_images=real.total,
        original_accuracy=original.value if original.total else None,
        refusal=refusal,
        verdict=verdict,
        reason=reason,
        findings=tuple(found),
        tried=tuple(findings.values()),
        **about,
    )


def _judge(
    truth: hypotheses.Truth,
    image: npt.NDArray[Any],
    label: npt.NDArray[Any],
    stated_label: npt.NDArray[Any],
    real: hypotheses.Share,
    original: hypotheses.Share,
    confidence: npt.NDArray[np.float64],
) -> tuple[str, str]:
    """Return the verdict on predictions that no usual mistake explains, and the reason."""
    import numpy as np

    if not real.total:
        return "suspicious", "none of its images has a ReaL label, so nothing can be judged"
    for share, labels in ((original, "original labels"), (real, "ReaL labels")):
        if share.total >= _ENOUGH and share.value >= _TOO_GOOD:
            return "suspicious", (
                f"these seem to be the {labels} themselves, no predictions: they agree on "
                f"{share.value:.1%} of the images"
            )
    low, high = real.interval
    if high < _NEAR_CHANCE:
        _, counts = np.unique(stated_label, return_counts=True)
        if counts.max() > _COLLAPSED * len(stated_label):
            return "suspicious", (
                f"it is right no more often than a guess, and gives {counts.max():,} of "
                f"{len(stated_label):,} images the same label: did the model collapse, or is the "
                "label column another one?"
            )
        return "faulty", (
            "the order of the images is lost: it is right no more often than a guess under every "
            "usual mistake, while its labels are spread as a model's are. An order that is lost "
            "cannot be found again: write each image's name beside its prediction, in the loop "
            "that predicts (and see that no loader shuffles, that names and predictions were not "
            "sorted apart, and that the model is a trained one)"
        )
    if low <= _NEAR_CHANCE:
        return "suspicious", f"too few of its images have ReaL labels to tell: {real.total:,}"
    doubt = _doubt(truth, image, label, real, confidence)
    if doubt:
        return "suspicious", doubt
    return "sound", "its images, class ids and labels fit together"


def _doubt(
    truth: hypotheses.Truth,
    image: npt.NDArray[Any],
    label: npt.NDArray[Any],
    real: hypotheses.Share,
    confidence: npt.NDArray[np.float64],
) -> str | None:
    """Say what is odd about the tenth of the images that the model is most confident of."""
    import numpy as np

    from ..queries import doctor as hypotheses

    if not len(confidence) or real.total < 1000:
        return None
    tenth = len(confidence) // 10
    sure = confidence >= np.partition(confidence, -tenth)[-tenth]
    if sure.mean() > 0.5:
        return None  # nearly all are as confident: there is no tenth
    share = hypotheses.real_hits(truth, image[sure], label[sure])
    stands = f"of the images that it is most confident of, {share.value:.1%} are right"
    mean = float(confidence[sure].mean())
    is_probability = confidence.min() >= 0 and confidence.max() <= 1
    if is_probability and share.interval[1] < mean - _OVERCONFIDENT:
        return (
            f"{stands}, at a mean confidence of {mean:.1%}: part of the predictions may stand "
            "beside other images, or the confidence beside other predictions"
        )
    if share.interval[1] < real.value:
        return f"{stands}, fewer than of all ({real.value:.1%}): is that its confidence?"
    return None


def _command(
    given: object,
    model: str | None,
    columns: Mapping[str, str] | None,
    input_format: str | None,
    order: str | Path | None,
) -> str:
    """Return the command (or call) that writes the repaired file; {} is the repair's name."""
    if not isinstance(given, str | Path):
        return 'realdb.doctor(…, fix="{}", out="fixed.parquet")'
    pairs = ",".join(f"{role}={name}" for role, name in (columns or {}).items())
    said = {"model": model, "columns": pairs, "input-format": input_format, "order": order}
    words = [str(given)]
    for name, value in said.items():
        words += [f"--{name}", str(value)] if value else []
    shown = shlex.join(words).replace("{", "{{").replace("}", "}}")
    return f"realdb doctor {shown} --fix {{}} --out fixed.parquet"


def _format(given: object, input_format: str | None) -> str | None:
    from ..ingest import formats

    if not isinstance(given, str | Path) or input_format:
        return input_format
    is_in_database = "::" in str(given) and not Path(given).exists()
    return "duckdb" if is_in_database else formats.recognise(Path(given))


def _repair(where: str, fix: str, likeliest: list[hypotheses.Trial]) -> hypotheses.Hypothesis:
    for trial in likeliest:
        if trial.hypothesis.name == fix:
            return trial.hypothesis
    names = ", ".join(trial.hypothesis.name for trial in likeliest)
    raise DataError(
        f"{where}: {fix!r} does not repair it; "
        + (f"what does: {names}" if names else "nothing that realdb knows does")
    )


def _write(
    con: duckdb.DuckDBPyConnection,
    where: str,
    hypothesis: hypotheses.Hypothesis,
    out: Path,
    *,
    force: bool,
) -> None:
    """Write the repaired predictions to `out`, once they are read back and found good."""
    import duckdb
    import numpy as np

    from ..queries import doctor as hypotheses
    from ..store.files import replacing, require_parquet

    require_parquet(out, force=force)
    stated = np.arange(hypotheses.MOST_IMAGE + 1)
    con.register("images_meant", {"stated": stated, "image_id": hypothesis.image_of[:-1]})
    stated = np.arange(hypotheses.LEAST_LABEL, hypotheses.MOST_LABEL + 1)
    con.register("labels_meant", {"stated": stated, "label": hypothesis.class_of[:-1]})
    # Where a choice names no class, as the background does, those behind it move up.
    con.execute(
        """
        create table fixed as
        select
            p.model,
            i.image_id,
            cast(
                p.rank - count(case when l.label is null then 1 end)
                    over (partition by i.image_id order by p.rank) as smallint
            ) as rank,
            l.label,
            p.confidence
        from stated as p
        inner join images_meant as i on p.image = i.stated and i.image_id > 0
        left join labels_meant as l on p.label = l.stated and l.label >= 0
        """
    )
    con.execute("delete from fixed where label is null")
    rows, left = con.execute(
        "select count(*), (select count(*) from stated) - count(*) from fixed"
    ).fetchall()[0]
    try:
        with replacing(out) as aside:
            con.sql(
                """
                select
                    fixed.model,
                    images.file_name,
                    fixed.rank,
                    fixed.label,
                    fixed.confidence
                from fixed
                inner join images on fixed.image_id = images.image_id
                order by fixed.image_id, fixed.rank
                """
            ).write_parquet(str(aside), compression="zstd")
            _check(aside, where, out, rows)
    except (OSError, duckdb.Error) as error:
        raise DataError(f"{out} cannot be written: {str(error).splitlines()[0]}") from None
    if left:
        warnings.warn(
            f"{out} leaves out {left:,} of the {rows + left:,} predictions: they name no image or "
            "no class, such as a background class",
            RealdbWarning,
            stacklevel=3,
        )


def _check(aside: Path, where: str, out: Path, rows: int) -> None:
    """Read what was written as `accuracy` would; DataError where it is not all there."""
    import duckdb

    from ..ingest import predictions as reading
    from ..schema.tables import create_table

    with duckdb.connect() as con:
        create_table(con, "predictions")
        try:
            reading.add(con, aside, input_format="parquet")
        except DataError as error:
            said = str(error).replace(str(aside), str(out))
            raise DataError(f"{where}, repaired, would still be refused: {said}") from None
        found = con.table("predictions").count("*").fetchall()[0][0]
    if found != rows:
        raise DataError(f"{out} came out with {found:,} of {rows:,} rows; is the disk full?")


def _wrapped(text: str, indent: int = 0) -> str:
    import textwrap

    first, others = " " * indent, " " * max(indent, 2)
    return textwrap.fill(
        text,
        width=98,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _share(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.6f}"
