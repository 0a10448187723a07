"""Open the store for one question: every call does so through a session."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, UsageError, reading_with
from ..queries import catalog
from ..schema.tables import COMPUTED, TABLES
from ..store import store as stores
from ..store.store import Store
from .build import open_store
from .rules import Rules, require_original_labels

if TYPE_CHECKING:
    from types import TracebackType

    import duckdb

    from ..ingest.locate import PredictionSource
    from ..ingest.progress import Progress

# What predictions are read by: image names, class names, the order of class folders; and what the
# scores of a file are compared with.
_ALWAYS = ("images", "classes", "class_names", "questions")


def is_taken(name: str) -> bool:
    """Say whether a table or view of realdb has this name, which DuckDB tells without its case."""
    from ..store import prediction_sets

    views = catalog.all_names()
    other_rules = (f"{view}_if" for view in views)
    return name.lower() in (*TABLES, *views, *other_rules, prediction_sets.ADDED)


class Session:
    """The store, opened for one question.

    A session resolves the build, connects to the tables that the question reads, takes the
    predictions (`add`), then creates the views that are needed and applies the rules
    (`prepare`), and answers (`view`, `sql`).

    store: the build that is queried
    con: an in-memory DuckDB connection; nothing done on it changes the store
    rules: the rules that the views follow
    added: the table on `con` that holds the predictions that were added
    """

    def __init__(
        self,
        store: Store | str | Path | None = None,
        *,
        views: Iterable[str] | None = (),
        tables: Iterable[str] | None = (),
        rules: Rules | None = None,
        offline: bool | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Open the store, which is built first where there is none and `offline` allows it.

        `views` are those that the question needs, and `tables` what it reads itself; None means
        all that the store has. Raises StoreError where the store cannot be opened, and
        QueryError where a view needs a table that the store does not have.
        """
        self.store: Store = (
            store if isinstance(store, Store) else open_store(store, offline, progress)
        )
        self.rules = rules or Rules()
        # What the table of the predictions that are added is called.
        self.added = "predictions"
        self._views: list[str] = []
        # What a locked connection may read beside the tables.
        self._files: list[Path] = []
        self.require(self.rules.views)
        self.require(views)
        self.con = self.store.connect(
            None if tables is None else {*catalog.tables_of(*self._views), *tables, *_ALWAYS}
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
        """Have `prepare` create these views too; None means all that the store allows.

        They may read no other tables than those the session was opened with. Raises QueryError
        where a view needs a table that the store does not have.
        """
        views = catalog.allowed(self.store.names) if views is None else [*views]
        for name in views:
            catalog.require(name, self.store.names)
        self._views += views

    def add(self, predictions: Iterable[object], **options: Any) -> dict[str, object]:
        """Read predictions into the table `predictions`; return what each model was read from.

        A folder or a pattern means its files, and the name of a stored model its predictions where
        no file is called so. The options are those of `ingest.predictions.add` that the caller has
        as well, and so are the errors; UsageError where `model` would name several sets of
        predictions.
        """
        from ..ingest.locate import expand_for

        return {
            name: source.predictions
            for source in expand_for(options.get("model"), predictions, self.store.root)
            for name in self.add_one(source, **options)
        }

    def add_one(self, source: PredictionSource, **options: Any) -> list[str]:
        """Read one set of predictions, as `ingest.predictions.add` does; return its models.

        An error recommends no option of that but those in `options`.
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

        With `stored` the table `predictions` shows the stored models beside what was added, or
        `only` the files named. `beside` are the models that were added, and what each was read
        from: the same rows count once, and DataError where one is stored with other rows.
        `original_for` says what needs the original labels, if anything does: QueryError where the
        store has none. What is added afterwards may not be seen.
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
        if COMPUTED["paired_tests"] in order:
            from ..stats import paired

            paired.show_tests(self.con)

    def _others(self, added: Mapping[str, object]) -> list[Path]:
        """Return the files of the stored models that are not among those that were added."""
        from ..store import prediction_sets

        root = self.store.root
        same = set()
        for model, source in added.items():
            if not prediction_sets.holds(root, model):
                continue
            if not prediction_sets.is_same(self.con, root, model):
                raise DataError(
                    f"{source} has other predictions of the model {model!r} than the store",
                    file=source,
                    column="model",
                    value=model,
                    parameter="with_stored",
                    remedy="Rename the file (or the model in its column model), or leave out "
                    "`with_stored`",
                )
            same.add(prediction_sets.path(root, model))
        return [file for file in prediction_sets.files(root) if file not in same]

    def join(self, name: str, source: object) -> None:
        """Have the table `name` show a file or frame of the user's own.

        Raises DataError where it cannot be read, UsageError where it is neither.
        """
        from ..ingest import tables

        if is_taken(name):
            raise UsageError(
                f"{name!r} is a table or view of realdb",
                parameter="tables",
                value=name,
                remedy="Choose another name",
            )
        self._files += tables.show(self.con, name, source)

    def lock(self) -> Session:
        """Have the connection read what the session needs, and nothing else; return the session."""
        stores.lock(self.con, [*map(self.store.parquet, self.store.tables), *self._files])
        return self

    def view(self, name: str) -> duckdb.DuckDBPyRelation:
        """Return the rows of a table or view."""
        return self.con.table(name)

    def row(self, name: str) -> dict[str, Any]:
        """Return the one row of a view of one row, by column."""
        rows = self.view(name)
        (row,) = rows.fetchall()
        return dict(zip(rows.columns, row, strict=True))
