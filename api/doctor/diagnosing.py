"""Diagnose one set of predictions, of one model or several."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...ingest.locate import PredictionSource, StoredModel, path_or_name
from ..session import Session
from . import mistakes, reading, repair, verdict
from .report import Diagnosis, Finding


class Options(NamedTuple):
    """The options of `doctor`.

    fix, out, force: the repair to write, its file, and whether to replace an existing file
    model: the model to diagnose
    is_one: predictions of several models are refused
    columns, input_format, order, ranks, drop_repeats: as in `realdb.accuracy_table`
    store: the store's folder, if the caller sets it
    """

    fix: str | None
    out: Path | None
    force: bool
    model: str | None
    is_one: bool
    columns: Mapping[str, str] | None
    input_format: str | None
    order: str | Path | None
    ranks: str | None
    drop_repeats: bool
    store: str | PathLike[str] | None


class _Read(NamedTuple):
    """Facts about predictions: their name in commands and in messages, their format, …."""

    called: str | Path | None
    where: str
    format: str | None
    refusal: reading.Refusal
    has_several: bool


def name_of(predictions: object, place: int, count: int) -> str:
    """Return the name of predictions in messages. They are number `place` of `count`."""
    if str(predictions) == "-":
        return "standard input"
    name = path_or_name(predictions)
    if name is not None:
        return str(name)
    return "the predictions" if count == 1 else f"predictions[{place}]"


def diagnose(
    session: Session,
    truth: mistakes.Truth,
    source: PredictionSource,
    where: str,
    options: Options,
) -> list[Diagnosis]:
    """Return a diagnosis for each model. Write the repair if the options set one."""
    with reading.plain_file(source.predictions) as local:
        refusal = reading.state(
            session,
            local,
            where,
            model=source.model,
            columns=options.columns,
            input_format=options.input_format,
            order=options.order,
            ranks=options.ranks,
            drop_repeats=options.drop_repeats,
        )
        form = reading.format_of(local, options.input_format)
    names = reading.models(session.con)
    is_one = options.is_one or options.fix is not None
    chosen = reading.choose(names, where, options.model, is_one=is_one)
    read = _Read(path_or_name(source.predictions), where, form, refusal, len(names) > 1)
    return [_of_model(session, truth, read, model, options) for model in chosen]


def unreadable(source: object, where: str, error: Exception) -> Diagnosis:
    """Return the diagnosis of predictions that cannot be read."""
    text = str(error)
    if isinstance(error, OSError):
        text = error.strerror or text
    elif isinstance(error, RecursionError):
        text = "the file is nested too deeply"
    return Diagnosis(
        where=where,
        format="stored" if isinstance(source, StoredModel) else None,
        model=None,
        rows=0,
        images=0,
        ranks=0,
        confidence_low=None,
        confidence_high=None,
        real_accuracy=None,
        scored_images=0,
        original_accuracy=None,
        refusal=text,
        verdict="unreadable",
        reason=text,
        findings=(),
        tried=(),
    )


def _of_model(
    session: Session, truth: mistakes.Truth, read: _Read, model: str, options: Options
) -> Diagnosis:
    stated = reading.of_model(session.con, model)
    ranks, tried = _trials(truth, stated, refused=read.refusal.is_as_written)
    required = _required(read.refusal, truth, stated, ranks)
    likeliest = mistakes.likeliest(tried)
    if not likeliest and required is None and "reversed" in stated.by_ranks:
        last = mistakes.reversed_ranks(truth, stated.first, stated.by_ranks["reversed"])
        tried.append(last)
        likeliest = [last] if last.repairs else []
    if required is not None:
        # Combine each repair with the one that makes the file readable.
        tried = [mistakes.together(required, trial) for trial in tried]
        likeliest = [mistakes.together(required, trial) for trial in likeliest] or [required]
        tried = [required, *tried]
    if options.fix is not None and options.out is not None:
        mended = repair.named(read.where, options.fix, likeliest)
        repair.write(session.con, read.where, model, mended, options.out, force=options.force)
    command = repair.command(
        read.called,
        model=model if read.has_several else options.model,
        columns=options.columns,
        input_format=options.input_format,
        order=options.order,
        ranks=options.ranks,
        drop_repeats=options.drop_repeats,
        store=options.store,
    )
    image, label = mistakes.means(
        mistakes.as_stated(), stated.first["image"], stated.first["label"]
    )
    real = mistakes.real_hits(truth, image, label)
    # There is no accuracy without repair if realdb left out rows or ranked them.
    is_judged = {*read.refusal.repairs} <= ({"ranks-by-confidence"} if ranks else set())
    before = real.value if is_judged else None
    names = {trial.hypothesis.name for trial in likeliest}
    findings = [
        _finding(trial, before, command if trial.hypothesis.name in names else "")
        for trial in tried
    ]
    found = sorted(
        (each for each in findings if each.name in names), key=lambda each: -each.accuracy_after
    )
    original = mistakes.original_hits(truth, image, label)
    confidence = np.ma.asarray(stated.first["confidence"]).compressed().astype(np.float64)
    if len(confidence) < len(image):
        confidence = confidence[:0]  # some predictions have no confidence, so ignore all
    if found:
        found_as, reason = "faulty", " or ".join(finding.meaning for finding in found)
    else:
        found_as, reason = verdict.judge(
            truth, image, label, stated.first["label"], real, original, confidence
        )
        if read.refusal.text and read.has_several and stated.is_in_range:
            reason += (
                ". realdb accuracy refuses the file, but this model's image numbers and class ids "
                "are in range"
            )
        elif read.refusal.text:
            fine = f". Apart from that, {reason}" if found_as == "sound" else ""
            found_as = "faulty"
            reason = f"realdb accuracy refuses it, and no usual mistake explains this{fine}"
    return Diagnosis(
        where=read.where,
        format=read.format,
        model=model,
        rows=stated.rows,
        images=len(np.unique(image[image > 0])),
        ranks=stated.ranks,
        confidence_low=float(confidence.min()) if len(confidence) else None,
        confidence_high=float(confidence.max()) if len(confidence) else None,
        real_accuracy=real.value if real.total else None,
        scored_images=real.total,
        original_accuracy=original.value if original.total else None,
        refusal=read.refusal.text,
        verdict=found_as,
        reason=reason,
        findings=tuple(found),
        tried=tuple(findings),
    )


def _trials(
    truth: mistakes.Truth, stated: reading.Stated, *, refused: bool
) -> tuple[str, list[mistakes.Trial]]:
    """Return the ranks with the highest accuracy, and the trials with these ranks.

    The ranks are `by-confidence`, or empty for the stated ranks. Ranks by confidence must be
    significantly better. If the stated ranks were `refused`, equally good is enough.
    """
    first, confident = stated.first, stated.by_ranks.get("by-confidence")
    tried = mistakes.trials(truth, first["image"], first["label"])
    if confident is None:
        return "", tried
    others = mistakes.trials(truth, confident["image"], confident["label"])
    written, by_confidence = (
        max(
            [mistakes.as_stated_hits(truth, choices), *(each.after for each in likeliest)],
            key=lambda share: share.value,
        )
        for choices, likeliest in (
            (first, mistakes.likeliest(tried)),
            (confident, mistakes.likeliest(others)),
        )
    )
    is_better = by_confidence.interval[0] > written.interval[1]
    is_better |= refused and by_confidence.value >= written.value
    return ("by-confidence", others) if is_better else ("", tried)


def _required(
    refusal: reading.Refusal, truth: mistakes.Truth, stated: reading.Stated, ranks: str
) -> mistakes.Trial | None:
    """Return the repair that is applied before all others; None if none is needed.

    It makes the predictions readable, or ranks them by confidence if `ranks` is set.
    """
    repairs = [name for name in refusal.repairs if name != "ranks-by-confidence"]
    meanings = dict(mistakes.REPAIRS)
    if ranks:
        repairs.append("ranks-by-confidence")
    elif "ranks-by-confidence" in refusal.repairs and not refusal.is_as_written:
        repairs.append("ranks-by-confidence")
        meanings["ranks-by-confidence"] = "images have several predictions without ranks"
    if not repairs:
        return None
    hypothesis = mistakes.as_stated()._replace(
        name=",".join(repairs),
        meaning=" and ".join(meanings[name] for name in repairs),
        ranks=ranks,
    )
    choices = stated.by_ranks[ranks] if ranks else stated.first
    return mistakes.Trial(hypothesis, mistakes.as_stated_hits(truth, choices), repairs=True)


def _finding(trial: mistakes.Trial, before: float | None, command: str) -> Finding:
    name = trial.hypothesis.name
    return Finding(
        name=name,
        meaning=trial.hypothesis.meaning,
        accuracy_before=before,
        accuracy_after=trial.after.value,
        fix=command.format(name),
        note=trial.hypothesis.note,
        is_fitted=trial.hypothesis.is_fitted,
    )
