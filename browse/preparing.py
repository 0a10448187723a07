"""The process that prepares the tables of the pages: python -m realdb.browse.preparing.

It has a process of its own because it needs much more memory than the pages. It reads a `Request`
as one line of JSON from standard input, and writes one line of JSON for each step to standard
output: {"step": …}, {"warning": …}, {"error": …}, {"done": true}.

The file `prepared.duckdb` has the rows of views and tables under their own names, sorted by image
where pages look them up by image. The other views of the catalogue that the pages read are views in
it too, over these tables.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..api import session as sessions
from ..errors import RealdbError
from ..ingest.locate import expand, path_or_name
from ..queries import catalog
from ..schema import quoting
from ..schema.tables import KEPT_TABLES, TABLES, create_table
from ..store import temporary

if TYPE_CHECKING:
    import duckdb

# The database in the file is called so wherever it is opened, because views name it.
DATABASE = "prepared"
PREDICTIONS = "predictions.parquet"
# What the pages read. A view that reads a table that the store does not have is left out. The order
# is that of their preparation: each is computed from those before it.
SORTED = {
    "images": "image_id",
    "labels": "image_id, position",
    "classes": "label",
    "raters": "rater_id",
    "image_flags": "image_id, label_set, flag",
    "image_groups": "image_id, grouping, group_name",
    "class_groups": "grouping, label",
    "campaign_votes": "image_id, label_set, label, rater",
    "stored_assessments": "image_id, label_set, label, verdict",
    "stored_label_sets": "label_set",
    "pipeline_rules": "all",
    "golden_truths": "image_id, label",
    "image_labels": "image_id",
    "rated_questions": "image_id, label",
    "vote_evidence": "image_id, label, rater_id",
    "recomputed_scores": "image_id, label",
    "rater_evidence": "rater_id, answer",
    "rater_quality": "rater_id",
    "agreement": "is_animal nulls first",
    "contested_images": "image_id",
    "scored_predictions": "image_id, model",
    "unasked_predictions": "image_id, model",
    "hard_images": "image_id",
    "mistakes": "model, image_id",
    "accuracy": "model",
    "leaderboard": "real_rank nulls last, model",
    "accuracy_by_class": "label, model",
    "accuracy_by_animal": "model, is_animal",
    "accuracy_by_label_count": "model, label_count",
    "calibration": "model, label_set, bin",
    "calibration_summary": "model, label_set",
    "unasked_counts": "model",
    "confusions": "label, images desc, model, predicted_label",
    "comparison": "model_a, model_b, label_set",
    "rank_intervals": "label_set, rank_low, model",
    "label_sets": "label_set",
    "label_set_agreement": "label_set, other_set",
    "label_conflicts": "image_id, label, label_set, verdict",
}
# Rows that are stored together. The usual 122,880 rows are read in part for one image.
_ROW_GROUP = 16_384
# Pages read these for two models only.
_ON_DEMAND = ("flips", "paired_counts_by_group")
# Tables that only the pages have.
# shown_images: one row for each image, with what filters and orders read
# explanations: one row for each image, with all that its page shows: one query takes a tenth of the
#   time of ten
# golden_votes: the answers to the golden questions, of raters and experts
# original_verdicts: the verdicts of each added label set on the original label of each image that
#   it judges; `none` if it judges the image, and not this label
_OWN = {
    "shown_images": """
        with listed as (
            select
                image_id,
                list(label order by position) as labels
            from labels
            group by image_id
        ),

        voted as (
            select distinct image_id
            from rated_questions
            where yes_votes is not null
        )

        select
            i.image_id,
            i.file_name,
            i.original_label,
            i.is_rated,
            i.label_count,
            i.is_original_real,
            coalesce(l.labels, []) as labels,
            i.original_label < 398 as is_animal,
            v.image_id is not null as has_votes,
            coalesce(h.models, 0) as models,
            coalesce(h.wrong_models, 0) as wrong_models,
            c.contested_questions,
            c.mean_disagreement,
            c.closest_score
        from image_labels as i
        left join listed as l on i.image_id = l.image_id
        left join voted as v on i.image_id = v.image_id
        left join hard_images as h on i.image_id = h.image_id
        left join contested_images as c on i.image_id = c.image_id
        order by i.image_id
    """,
    "explanations": """
        with voted as (
            select
                image_id,
                label,
                list(
                    {
                        'rater_id': rater_id,
                        'answer': answer,
                        'log_likelihood_ratio': log_likelihood_ratio,
                        'is_average': is_average
                    } order by rater_id
                ) as votes
            from vote_evidence
            group by image_id, label
        ),

        questioned as (
            select
                q.image_id,
                list(
                    {
                        'label': q.label,
                        'is_original': q.is_original,
                        'is_real': q.is_real,
                        'yes_experts': g.yes_experts,
                        'prior_evidence': s.prior_evidence,
                        'raters_evidence': s.raters_evidence,
                        'original_evidence': s.original_evidence,
                        'recomputed_score': s.recomputed_score,
                        'published_score': q.score,
                        'votes': coalesce(v.votes, [])
                    }
                    order by
                        s.recomputed_score desc nulls last,
                        q.score desc nulls last,
                        q.label
                ) as questions
            from rated_questions as q
            inner join recomputed_scores as s on q.image_id = s.image_id and q.label = s.label
            left join golden_truths as g on q.image_id = g.image_id and q.label = g.label
            left join voted as v on q.image_id = v.image_id and q.label = v.label
            group by q.image_id
        ),

        answered as (
            select
                image_id,
                label_set,
                label,
                list({'rater': rater, 'answer': answer} order by rater) as votes
            from campaign_votes
            group by image_id, label_set, label
        ),

        assessed as (
            select
                a.image_id,
                list(
                    {
                        'label_set': a.label_set,
                        'label': a.label,
                        'verdict': a.verdict,
                        'score': a.score,
                        'votes': coalesce(v.votes, [])
                    } order by a.label_set, a.label, a.verdict
                ) as assessments
            from stored_assessments as a
            left join answered as v
                on a.image_id = v.image_id and a.label_set = v.label_set and a.label = v.label
            group by a.image_id
        ),

        flagged as (
            select
                image_id,
                list(
                    {'label_set': label_set, 'flag': flag, 'value': value}
                    order by label_set, flag
                ) as flags
            from image_flags
            group by image_id
        ),

        grouped as (
            select
                image_id,
                list(
                    {'grouping': grouping, 'group_name': group_name}
                    order by grouping, group_name
                ) as groups
            from image_groups
            group by image_id
        ),

        chosen as (
            select
                image_id,
                list(
                    {'model': model, 'rank': rank, 'label': label, 'confidence': confidence}
                    order by model, rank
                ) as choices
            from predictions
            where rank <= 5
            group by image_id
        )

        select
            i.image_id,
            i.file_name,
            i.is_rated,
            i.original_label,
            i.labels,
            coalesce(q.questions, []) as questions,
            coalesce(a.assessments, []) as assessments,
            coalesce(f.flags, []) as flags,
            coalesce(g.groups, []) as groups,
            coalesce(c.choices, []) as choices
        from shown_images as i
        left join questioned as q on i.image_id = q.image_id
        left join assessed as a on i.image_id = a.image_id
        left join flagged as f on i.image_id = f.image_id
        left join grouped as g on i.image_id = g.image_id
        left join chosen as c on i.image_id = c.image_id
        order by i.image_id
    """,
    "golden_votes": """
        select
            image_id,
            label,
            rater_id,
            round,
            answer
        from votes
        where round <> 'main'
        order by rater_id, image_id, label
    """,
    "original_verdicts": """
        with judged as (
            select distinct
                label_set,
                image_id
            from stored_assessments
        )

        select
            j.image_id,
            j.label_set,
            coalesce(a.verdict, 'none') as verdict
        from judged as j
        inner join images as i on j.image_id = i.image_id
        left join stored_assessments as a
            on
                j.label_set = a.label_set
                and j.image_id = a.image_id
                and i.original_label = a.label
        where i.original_label is not null
        order by j.image_id, j.label_set, a.verdict
    """,
}


def main() -> None:
    """Prepare the tables of the request on standard input."""
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    warnings.showwarning = lambda message, *_, **__: _say(warning=str(message))
    warnings.simplefilter("always")
    try:
        _prepare(request)
    except RealdbError as error:
        fields = {name: value for name, value in vars(error).items() if name != "message"}
        _say(error={"kind": type(error).__name__, "message": error.message, "fields": fields})
    except Exception as error:
        if os.environ.get("REALDB_DEBUG") == "1":
            raise
        text = f"realdb cannot prepare the pages: {type(error).__name__}: {error}"
        _say(error={"kind": "StoreError", "message": text.splitlines()[0], "fields": {}})
    else:
        _say(done=True)


def _end_with_the_server() -> None:
    """End this process when the one that started it closes the pipe, or ends."""
    sys.stdin.read()
    temporary.remove_all()
    os._exit(1)


def _say(**line: object) -> None:
    print(json.dumps(line), flush=True)


def _prepare(request: dict[str, Any]) -> None:
    folder = Path(request["folder"])
    session = sessions.Session(request["root"], views=(), tables=None)
    names = _views_of(session.store.names)
    files = request["files"]
    sources = {source.model: source for source in expand(files, session.store.root)}
    models = {
        str(name): {
            "file": str(path_or_name(source.predictions)),
            "models": session.add_one(source),
        }
        for name, source in sources.items()
    }
    session.require(names)
    session.prepare(stored=not files)
    con = session.con
    if files:
        path = quoting.literal(quoting.file_name(folder / PREDICTIONS))
        con.execute(
            f"copy (from {quoting.identifier(session.added)} order by model, image_id, rank) "
            f"to {path} (format parquet, compression zstd)"
        )
    target = quoting.literal(quoting.file_name(folder / f"{DATABASE}.duckdb"))
    con.execute(f"attach {target} as {DATABASE} (row_group_size {_ROW_GROUP})")
    has = [name for name in SORTED if name in names or name in session.store.names]
    steps = len(has) + 2
    for step, name in enumerate(has):
        _say(step=step, steps=steps, name=name)
        _keep(con, name)
    _say(step=steps - 2, steps=steps, name="images")
    _without_rows(con, has, session.store.names)
    for name, select in _OWN.items():
        con.execute(f"create table {DATABASE}.main.{name} as {select}")
        con.execute(f"create view {name} as from {DATABASE}.main.{name}")
    _say(step=steps - 1, steps=steps, name="views")
    con.execute(f"use {DATABASE}")
    done = {*SORTED}
    for name in _ON_DEMAND:
        _create_view(con, name, done)
    # The build that the session read. The store may have a newer one by now.
    con.execute("create table prepared_from (build_id varchar, names varchar[], sources varchar)")
    con.execute(
        "insert into prepared_from values ($1, $2, $3)",
        [
            session.store.build_id,
            has,
            json.dumps(models),
        ],
    )
    con.execute("use memory")
    con.execute(f"detach {DATABASE}")
    _say(step=steps, steps=steps, name="views")


def _views_of(tables: list[str]) -> list[str]:
    """Return the views that the pages read and the store allows."""
    wanted = [name for name in SORTED if name not in TABLES]
    return [name for name in wanted if catalog.tables_of(name) <= {*tables}]


def _keep(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """Write a table or view to the file. What is prepared later reads it from there."""
    view = quoting.identifier(name)
    con.execute(f"create table {DATABASE}.main.{view} as from {view} order by {SORTED[name]}")
    if name not in KEPT_TABLES:
        con.execute(f"create or replace view {view} as from {DATABASE}.main.{view}")


def _create_view(con: duckdb.DuckDBPyConnection, name: str, done: set[str]) -> None:
    """Create a view in the file, and first the views that it reads and that are not `done`."""
    view = catalog.find(name)
    for read in view.about.reads:
        if read not in done and read not in TABLES:
            _create_view(con, read, done)
    con.execute(catalog.definition(view))
    done.add(name)


def _without_rows(con: duckdb.DuckDBPyConnection, has: list[str], tables: list[str]) -> None:
    """Write the tables and views that the store does not allow, without rows."""
    for table in TABLES:
        if table not in tables:
            create_table(con, table)
    done = {*has}
    for name in SORTED:
        if name not in has:
            if name not in TABLES:
                _create_view(con, name, done)
            con.execute(f"create table {DATABASE}.main.{name} as from {name} limit 0")


if __name__ == "__main__":
    main()
