"""What the doctor found: as fields, as text, and as rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...schema.tables import IMAGES
from ..shown import Shown, ShownReport

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, kw_only=True, repr=False)
class Finding(Shown):
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


@dataclass(frozen=True, kw_only=True, repr=False)
class Diagnosis(ShownReport):
    """What predictions are, and whether they make sense. `str()` gives the report.

    where: the file or set that was read
    format: the format it was read as; None for what is no file
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
