"""A session: the store, opened for one call of the library."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, UsageError, reading_with
from ..queries import catalog
from ..schema.tables import COMPUTED, LABEL_SET_TABLES, TABLES
from ..store import label_sets
from ..store import store as stores
from ..store.store import Store
from .build import open_store
from .rules import Rules, require_original_labels

if TYPE_CHECKING:
    from types import TracebackType

    import duckdb

    from ..ingest.locate import PredictionSource
    from ..ingest.progress import Progress

# The tables that every session reads. Predictions need the names of images and classes, and the
# order of class folders. The questions check the scores of a file.
_ALWAYS = ("images", "classes", "class_names", "questions")


def is_taken(name: str) -> bool:
    """Return whether a table or view of realdb has this name, ignoring case like DuckDB."""
    from ..store import prediction_sets

    views = catalog.all_names()
    other_rules = (f"{view}_if" for view in views)
    return name.lower() in (*TABLES, *views, *other_rules, prediction_sets.ADDED)


class Session:
    """The store, opened for one call.

    A session opens a build of the store and connects to its tables. `add` reads predictions.
    `prepare` creates the views and applies the rules. `view` returns rows.

    store: the build that is queried
    con: an in-memory DuckDB connection; statements on it do not change the store
    rules: the rules of the views
    added: the table on `con` with the predictions that were added
    """

    def __init__(
        self,
        store: Store | str | PathLike[str] | None = None,
        *,
        views: Iterable[str] | None = (),
        tables: Iterable[str] | None = (),
        rules: Rules | None = None,
        offline: bool | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Open the store. Build it first if it does not exist, unless `offline` is set.

        `views` and `tables` are those that the call needs. None means all of them. Raises
        StoreError if the store cannot be opened, QueryError if a view needs a table that the store
        does not have.
        """
        self.store: Store = (
            store if isinstance(store, Store) else open_store(store, offline, progress)
        )
        self.rules = rules or Rules()
        # The name of the table of the predictions that are added.
        self.added = "predictions"
        self._views: list[str] = []
        # The files that a locked connection can read besides the tables.
        self._files: list[Path] = []
        self.rules.require_stored(self.store.root)
        self._install(self.rules.views)
        self.require(views)
        needed = None if tables is None else {*catalog.tables_of(*self._views), *tables, *_ALWAYS}
        self.con = self.store.connect(needed)
        self._files += label_sets.show(
            self.con,
            self.store.root,
            [table for table in LABEL_SET_TABLES if needed is None or table in needed],
        )
        self.rules = self.rules.resolved(self.con)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.con.close()

    def require(self, views: Iterable[str] | None) -> None:
        """Make `prepare` create these views too. None means all views that the store allows.

        The views can read only the tables that the session was opened with. Raises QueryError if a
        view needs a table that the store does not have, or is not defined for the rules.
        """
        views = catalog.allowed(self.store.names) if views is None else [*views]
        for name in views:
            self.rules.require_view(name)
        self._install(views)

    def _install(self, views: Iterable[str]) -> None:
        for name in views:
            catalog.require(name, self.store.names)
        self._views += views

    def add(self, predictions: Iterable[object], **options: Any) -> dict[str, object]:
        """Read predictions into the table `predictions`; return the source of each model.

        A folder or a pattern stands for its files. A name that is not a file is the name of a
        stored model. The options are those options of `ingest.predictions.add` that the caller has.
        Raises the same errors, and UsageError if `model` would name several sets of predictions.
        """
        from ..ingest.locate import expand_for

        return {
            name: source.predictions
            for source in expand_for(options.get("model"), predictions, self.store.root)
            for name in self.add_one(source, **options)
        }

    def add_one(self, source: PredictionSource, **options: Any) -> list[str]:
        """Read one set of predictions with `ingest.predictions.add`; return its models.

        Errors recommend only the options in `options`.
        """
        from ..ingest import predictions as reading
        from ..ingest.locate import StoredModel

        predictions = source.predictions
        model = options.get("model") or source.model
        with reading_with(options, predictions):
            if isinstance(predictions, StoredModel):
                from ..store import prediction_sets

                name = model or predictions.name
                prediction_sets.take(self.con, self.store.root, predictions.name, name)
                return [name]
            return reading.add(self.con, predictions, **{**options, "model": model})

    def prepare(
        self,
        *,
        stored: bool = False,
        only: Collection[Path] | None = None,
        beside: Mapping[str, object] | None = None,
        original_for: str | None = None,
    ) -> Session:
        """Create the views and apply the rules; return the session.

        With `stored` the table `predictions` also shows the stored models, or only the files
        `only`. `beside` maps the added models to their sources. A model that is also stored with
        the same rows is shown once. Raises DataError if it is stored with other rows.
        `original_for` is what needs the original labels, for the QueryError if the store has none.
        Predictions that are added later may be missing.
        """
        self.install(self._views)
        if stored:
            from ..store import prediction_sets

            shown = self._others(beside or {}) if only is None else [*only]
            self.added = prediction_sets.show(self.con, self.store.root, shown)
            self._files += shown
        original_for = original_for or self.rules.original_for
        if original_for:
            require_original_labels(self.con, original_for)
        self.rules.apply(self.con)
        return self

    def install(self, views: Iterable[str] | None) -> None:
        """Create views, all that the store allows if None, and the tables computed from them."""
        if views is None:
            views = catalog.allowed(self.store.names)
        order = [view.name for view in catalog.in_order(views, self.store.names)]
        catalog.install(self.con, self.store.names, order)
        if {*COMPUTED.values()} & {*order}:
            from ..stats import paired

            paired.show_tests(self.con)

    def _others(self, added: Mapping[str, object]) -> list[Path]:
        """Return the files of the stored models that are not in `added`."""
        from ..store import prediction_sets

        root = self.store.root
        same = set()
        for model, source in added.items():
            if not prediction_sets.holds(root, model):
                continue
            if not prediction_sets.is_same(self.con, root, model):
                raise DataError(
                    f"the predictions of the model {model!r} in {source} differ from the stored "
                    "ones",
                    file=source,
                    column="model",
                    value=model,
                    parameter="with_stored",
                    remedy="Rename the file (or the model in its column model), or omit "
                    "`with_stored`",
                )
            same.add(prediction_sets.path(root, model))
        return [file for file in prediction_sets.files(root) if file not in same]

    def join(self, name: str, source: object) -> None:
        """Make a file or frame of the user the table `name`.

        Raises DataError if it cannot be read, UsageError if it is neither a file nor a frame.
        """
        from ..ingest import tables

        if is_taken(name):
            raise UsageError(
                f"the table name {name!r} is already a table or view of realdb",
                parameter="tables",
                value=name,
                remedy="Use another name",
            )
        self._files += tables.show(self.con, name, source)

    def lock(self) -> Session:
        """Restrict the connection to the files of the session; return the session."""
        stores.lock(self.con, [*map(self.store.parquet, self.store.tables), *self._files])
        return self

    def view(self, name: str) -> duckdb.DuckDBPyRelation:
        """Return the rows of a table or view."""
        return self.con.table(name)

    def row(self, name: str) -> dict[str, Any]:
        """Return the row of a view that has exactly one, by column."""
        rows = self.view(name)
        (row,) = rows.fetchall()
        return dict(zip(rows.columns, row, strict=True))
