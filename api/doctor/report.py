"""What the doctor found: as fields, as text, and as rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...schema.tables import IMAGES
from ..shown import Shown, ShownReport

if TYPE_CHECKING:
    import duckdb


_FITTED = (
    "The order was fitted to the labels of the same images, so that this accuracy is too high. "
    "Write the predictions again with the right class ids to get a figure to report."
)


@dataclass(frozen=True, kw_only=True, repr=False)
class Finding(Shown):
    """A usual mistake that was looked for, and the ReaL accuracy without and with its repair.

    `name` is what `fix` takes, `meaning` the mistake in words, `note` how sure it is, and `fix` the
    command that writes the repaired file; empty where it repairs nothing. `accuracy_before` is None
    where the predictions cannot be judged without a repair. `is_fitted` says that the repair was
    found from the labels of the same images, so that `accuracy_after` is no result to report.
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
    """What predictions are, and whether they make sense. `str()` gives the report.

    where: the file or stored model that was read
    format: the format it was read as, `stored` for a stored model; None for what is no file
    model: whose predictions they are; None where they cannot be read
    rows, images, ranks: how many predictions, images among 1-50000, and ranks of an image at most
    confidence_low, confidence_high: the range of the first choices' confidence; None without any
    real_accuracy, scored_images, original_accuracy: as stated, whatever mistake there is; None
        where nothing can be judged
    refusal: why `realdb accuracy` cannot read them; None where it can
    verdict: sound, suspicious, faulty or unreadable
    reason: why, in a sentence
    findings: the mistakes whose repair mends them, best first; several where they are as good
    tried: all mistakes that were looked for
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
        """The predictions could be read, and were judged."""
        return self.verdict != "unreadable"

    def __str__(self) -> str:
        if not self.is_readable:
            place = "" if self.where in self.reason else f"{self.where}: "
            return f"{self.verdict}: {place}{self.reason}"
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
                f"  {finding.name}: ReaL accuracy {_before(finding)} -> "
                f"{_share(finding.accuracy_after)}"
                + (" (do not report it)" if finding.is_fitted else "")
            )
            if finding.is_fitted:
                lines.append(_wrapped(_FITTED, 4))
            lines += [_wrapped(finding.note, 4)] if finding.note else []
            lines.append(f"    {finding.fix}")  # whole, to be copied
        return "\n".join(lines)


class Diagnoses(ShownReport, list[Diagnosis]):
    """What several sets of predictions are, each by itself. `str()` gives the reports."""

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
    """Return what was tried as rows: a row for each diagnosis and mistake looked for.

    The columns are file, model, verdict, reason, and those of Finding with `is_finding`. What
    cannot be read has one row, without a mistake.
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
