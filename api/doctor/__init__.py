"""Say what a file of predictions is, whether it makes sense, and what would mend it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...errors import UsageError
from ...store.files import user_path
from ..session import Session
from . import mistakes, reading, repair, verdict
from .report import Diagnosis as Diagnosis
from .report import Finding as Finding
from .report import tried_table as tried_table

if TYPE_CHECKING:
    from ...ingest.progress import Progress


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
        raise UsageError(
            "a repair needs its name and the file to write: both `fix` and `out`",
            parameter="fix" if fix is None else "out",
        )
    con = Session(store, tables=["labels"], offline=offline, progress=progress).con
    with reading.named(predictions) as (source, where):
        refusal = reading.state(
            con, source, where, columns=columns, input_format=input_format, order=order
        )
        form = reading.format_of(source, input_format)
    chosen = reading.choose_model(con, where, model)
    first = con.execute("select image, label, confidence from stated where rank = 1").fetchnumpy()
    truth = mistakes.truth(con)
    tried = mistakes.trials(truth, first["image"], first["label"])
    if fix is not None and out is not None:
        mended = repair.named(where, fix, mistakes.likeliest(tried))
        repair.write(con, where, mended, user_path(out), force=force)
    rows, ranks = con.execute("select count(*), max(rank) from stated").fetchall()[0]
    return _diagnosis(
        truth,
        first,
        tried,
        command=repair.command(predictions, model, columns, input_format, order),
        where=where,
        format=form,
        model=chosen,
        rows=rows,
        ranks=ranks,
        refusal=refusal,
    )


def _diagnosis(
    truth: mistakes.Truth,
    first: Mapping[str, npt.NDArray[Any]],
    tried: list[mistakes.Trial],
    *,
    command: str,
    refusal: str | None,
    **about: Any,
) -> Diagnosis:
    """Return the diagnosis of first choices, `first`, with what is known of their file."""
    image, label = mistakes.means(mistakes.as_stated(), first["image"], first["label"])
    real = mistakes.real_hits(truth, image, label)
    known = truth.original[image]
    original = mistakes.Share(
        int(np.count_nonzero((known >= 0) & (known == label))), int(np.count_nonzero(known >= 0))
    )
    confidence = np.ma.asarray(first["confidence"]).compressed().astype(np.float64)
    if len(confidence) < len(image):
        confidence = confidence[:0]  # not all have one: it says nothing of the whole
    likeliest = {trial.hypothesis.name for trial in mistakes.likeliest(tried)}
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
        found_as, reason = "faulty", " or ".join(finding.meaning for finding in found)
    else:
        found_as, reason = verdict.judge(
            truth, image, label, first["label"], real, original, confidence
        )
        if refusal:
            fine = f"; apart from that, {reason}" if found_as == "sound" else ""
            found_as = "faulty"
            reason = f"realdb accuracy refuses it, and no usual mistake explains why{fine}"
    return Diagnosis(
        images=len(np.unique(image[image > 0])),
        confidence_low=float(confidence.min()) if len(confidence) else None,
        confidence_high=float(confidence.max()) if len(confidence) else None,
        real_accuracy=real.value if real.total else None,
        scored_images=real.total,
        original_accuracy=original.value if original.total else None,
        refusal=refusal,
        verdict=found_as,
        reason=reason,
        findings=tuple(found),
        tried=tuple(findings.values()),
        **about,
    )
