"""What the sections of a report have in common: the session, the rules, and the models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import QueryError
from ...exports.lines import visible_cell
from ...queries import catalog
from ...report.page import Name

if TYPE_CHECKING:
    import duckdb

    from ..compare import Comparison
    from ..rules import Rules
    from ..session import Session


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was judged.

    models: a row of the view accuracy for each model, with unasked_images, the best first
    comparison: of two or more models
    sources: where the predictions of each model were read from; nothing for stored models
    warnings: the warnings on the figures
    names: the first name of each class
    """

    session: Session
    rules: Rules
    models: Sequence[Mapping[str, Any]]
    comparison: Comparison | None
    sources: Mapping[str, object]
    warnings: Sequence[str]
    names: Mapping[int, str]

    @property
    def labels(self) -> str:
        """The labels that judge, for the title of a column."""
        return "ReaL" if self.rules.chosen.is_real else shortened(self.rules.labels, 30)

    def class_name(self, label: int | None) -> str:
        """Return the name of a class with its number."""
        if label is None:
            return ""
        name = self.names.get(label)
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
