"""The doctor's results as fields, as text, and as rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import counted
from ...schema.tables import IMAGES
from ..shown import Shown, ShownReport

if TYPE_CHECKING:
    import duckdb


_FITTED = (
    "This accuracy is too high, because the order was fitted to the labels of the same images. "
    "Write the predictions again with the right class ids to get an accuracy to report."
)


@dataclass(frozen=True, kw_only=True, repr=False)
class Finding(Shown):
    """A usual mistake that the doctor tried, and the ReaL accuracy without and with its repair.

    name: the value of `fix` for this mistake
    meaning: the mistake in words
    accuracy_before: None if the predictions cannot be scored without the repair
    fix: the command that writes the repaired file; empty if the mistake is not a finding
    note: how certain the repair is
    is_fitted: the repair was fitted to the labels of the same images; do not report
        `accuracy_after` then
    """

    name: str
    meaning: str
    accuracy_before: float | None
    accuracy_after: float
    fix: str
    note: str = ""
    is_fitted: bool = False


@dataclass(frozen=True, kw_only=True, repr=False)
class Diagnosis(ShownReport):
    """Facts about predictions, and whether they are plausible. `str()` returns the report.

    where: the file or stored model
    format: the detected format, `stored` for a stored model; None for predictions from memory
    model: the name of the model; None if the predictions cannot be read
    rows, images, ranks: the number of predictions, of images in 1-50000, and the highest rank
    confidence_low, confidence_high: the range of the first choices' confidence; None without any
    real_accuracy, scored_images, original_accuracy: without any repair; None if unknown
    refusal: why `realdb accuracy` cannot read the predictions; None if it can
    verdict: sound, suspicious, faulty or unreadable
    reason: the reason of the verdict, in a sentence
    findings: the mistakes whose repair works, best first; several if they are about as good
    tried: all mistakes that were tried
    """

    where: str
    format: str | None
    model: str | None
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

    @property
    def is_readable(self) -> bool:
        """Whether the predictions could be read."""
        return self.verdict != "unreadable"

    def __str__(self) -> str:
        if not self.is_readable:
            place = "" if self.where in self.reason else f"{self.where}: "
            return f"{self.verdict}: {place}{self.reason}"
        about = [
            self.format or "in memory",
            f"model {self.model}",
            counted(self.rows, "row"),
            f"{self.images:,} of {IMAGES:,} images",
            "one prediction each" if self.ranks == 1 else f"up to {self.ranks} predictions each",
            "no confidence"
            if self.confidence_low is None
            else f"confidence {self.confidence_low:.4g} to {self.confidence_high:.4g}",
        ]
        real, original = _share(self.real_accuracy), _share(self.original_accuracy)
        lines = [
            _wrapped(f"{self.where}: {', '.join(about)}"),
            f"ReaL accuracy {real} on {counted(self.scored_images, 'image')}, original accuracy "
            f"{original}",
        ]
        if self.refusal:
            lines.append(_wrapped(f"realdb accuracy refuses it: {self.refusal}"))
        lines.append(_wrapped(f"{self.verdict}: {self.reason}"))
        for finding in self.findings:
            lines.append(
                f"  {finding.name}: ReaL accuracy {_before(finding)} -> "
                f"{_share(finding.accuracy_after)}"
                + (" (do not report it)" if finding.is_fitted else "")
            )
            if finding.is_fitted:
                lines.append(_wrapped(_FITTED, 4))
            lines += [_wrapped(finding.note, 4)] if finding.note else []
            lines.append(f"    {finding.fix}")  # in one line, for copying
        return "\n".join(lines)


class Diagnoses(ShownReport, list[Diagnosis]):
    """The diagnoses of several sets of predictions. `str()` returns the reports."""

    def __str__(self) -> str:
        return "\n\n".join(map(str, self))


def verdict_table(diagnoses: Iterable[Diagnosis]) -> duckdb.DuckDBPyRelation:
    """Return a row for each diagnosis: file, model, images, real_accuracy, verdict, findings."""
    import pyarrow as pa

    return _rows(
        {
            "file": pa.string(),
            "model": pa.string(),
            "images": pa.int64(),
            "real_accuracy": pa.float64(),
            "verdict": pa.string(),
            "findings": pa.string(),
        },
        [
            {
                "file": each.where,
                "model": each.model,
                "images": each.images if each.is_readable else None,
                "real_accuracy": each.real_accuracy,
                "verdict": each.verdict,
                "findings": " or ".join(finding.name for finding in each.findings) or None,
            }
            for each in diagnoses
        ],
    )


def tried_table(diagnoses: Iterable[Diagnosis]) -> duckdb.DuckDBPyRelation:
    """Return a row for each diagnosis and each mistake tried.

    The columns are file, model, verdict, reason, those of Finding, and `is_finding`. Unreadable
    predictions have one row without a mistake.
    """
    import pyarrow as pa

    rows: list[dict[str, object]] = []
    for each in diagnoses:
        repairs = {finding.name for finding in each.findings}
        about: dict[str, object] = {
            "file": each.where,
            "model": each.model,
            "verdict": each.verdict,
            "reason": each.reason,
        }
        rows += [
            about
            | {
                "name": finding.name,
                "is_finding": finding.name in repairs,
                "accuracy_before": finding.accuracy_before,
                "accuracy_after": finding.accuracy_after,
                "is_fitted": finding.is_fitted,
                "meaning": finding.meaning,
                "fix": finding.fix or None,
            }
            for finding in each.tried
        ] or [about]
    return _rows(
        {
            "file": pa.string(),
            "model": pa.string(),
            "verdict": pa.string(),
            "reason": pa.string(),
            "name": pa.string(),
            "is_finding": pa.bool_(),
            "accuracy_before": pa.float64(),
            "accuracy_after": pa.float64(),
            "is_fitted": pa.bool_(),
            "meaning": pa.string(),
            "fix": pa.string(),
        },
        rows,
    )


def _rows(columns: Mapping[str, object], rows: list[dict[str, object]]) -> duckdb.DuckDBPyRelation:
    import duckdb
    import pyarrow as pa

    table = pa.Table.from_pylist(rows, schema=pa.schema(list(columns.items())))
    return duckdb.connect().from_arrow(table)


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


def _before(finding: Finding) -> str:
    return "refused" if finding.accuracy_before is None else _share(finding.accuracy_before)


def _share(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.6f}"
