"""What the sections of a report have in common: the session, the rules, and the models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...errors import QueryError
from ...exports.lines import visible_cell
from ...queries import catalog
from ...report import names
from ...report.page import Name
from .. import chart_rows

if TYPE_CHECKING:
    import duckdb

    from ..compare import Comparison
    from ..rules import Rules
    from ..session import Session

# A longer name is whole in the table of the models, and shortened elsewhere.
_MOST_LETTERS = 40


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was judged.

    models: a row of the view accuracy for each model, with unasked_images, the best first
    comparison: of two or more models
    sources: where the predictions of each model were read from; nothing for stored models
    warnings: the warnings on the figures
    classes: the first name of each class
    """

    session: Session
    rules: Rules
    models: Sequence[Mapping[str, Any]]
    comparison: Comparison | None
    sources: Mapping[str, object]
    warnings: Sequence[str]
    classes: Mapping[int, str]

    @cached_property
    def _short(self) -> Mapping[str, str]:
        return names.shortened((row["model"] for row in self.models), _MOST_LETTERS)

    def model(self, name: str) -> Name:
        """Return a model's name, shortened in the middle where it is long. Each is different."""
        return Name(self._short[name])

    @property
    def labels(self) -> str:
        """The labels that judge, in words."""
        return shortened(chart_rows.labels_of(self.rules), 60)

    def measured(self, measure: str) -> str:
        """Return the title of a column, such as accuracy. Only the published one has ReaL in it."""
        is_real = chart_rows.is_real(self.rules)
        return f"ReaL {measure}, %" if is_real else f"{measure.capitalize()}, %"

    def class_name(self, label: int | None) -> str:
        """Return the name of a class with its number."""
        if label is None:
            return ""
        name = self.classes.get(label)
        return f"{name} ({label})" if name else str(label)


def why_without(session: Session, view: str) -> str | None:
    """Return why a view cannot be read by these rules in this store; None if it can."""
    try:
        catalog.require(view, session.store.names)
        session.rules.require_view(view)
    except QueryError as error:
        return f"This part is left out: {error.message}."
    return None


def records(rows: duckdb.DuckDBPyRelation) -> list[dict[str, Any]]:
    """Return rows by column."""
    columns = rows.columns
    return [dict(zip(columns, row, strict=True)) for row in rows.fetchall()]


def name(text: object) -> Name:
    """Return text that a user chose, with control characters and direction marks made visible."""
    return Name(visible_cell(str(text)))


def shortened(text: str, most: int) -> str:
    """Return text that is shortened in the middle."""
    text = visible_cell(text)
    half = (most - 1) // 2
    return text if len(text) <= most else f"{text[:half]}…{text[-half:]}"
