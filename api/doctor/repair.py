"""Write repaired predictions."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import DataError, RealdbWarning, counted
from ...ingest.ranks import ORDERS
from . import mistakes

if TYPE_CHECKING:
    import duckdb


_RANKED = """
    update stated
    set rank = ranked.rank
    from (
        select
            rowid as id,
            row_number() over (partition by image order by {}) as rank
        from stated
        where model = $1
    ) as ranked
    where stated.rowid = ranked.id
"""


def command(
    predictions: str | Path | None,
    *,
    model: str | None,
    columns: Mapping[str, str] | None,
    input_format: str | None,
    order: str | Path | None,
    ranks: str | None,
    drop_repeats: bool,
    store: str | PathLike[str] | None,
) -> str:
    """Return the command that writes the repaired file; {} is the name of the repair.

    `predictions` is a path or the name of a stored model. If it is None, return a Python call.
    """
    if predictions is None:
        chosen = f"model={model!r}, ".replace("{", "{{").replace("}", "}}") if model else ""
        return f'realdb.doctor(…, {chosen}fix="{{}}", out="fixed.parquet")'
    pairs = ",".join(f"{role}={name}" for role, name in (columns or {}).items())
    options = {"model": model, "columns": pairs, "input-format": input_format, "order": order}
    options |= {"ranks": ranks, "store": None if store is None else Path(store)}
    words = [str(predictions)]
    for name, value in options.items():
        words += [f"--{name}", str(value)] if value else []
    words += ["--drop-repeats"] if drop_repeats else []
    shown = shlex.join(words).replace("{", "{{").replace("}", "}}")
    return f"realdb doctor {shown} --fix {{}} --out fixed.parquet"


def named(where: str, fix: str, likeliest: list[mistakes.Trial]) -> mistakes.Hypothesis:
    """Return the repair with the name `fix`; DataError if it is not a finding."""
    for trial in likeliest:
        if trial.hypothesis.name == fix:
            return trial.hypothesis
    names = ", ".join(trial.hypothesis.name for trial in likeliest)
    raise DataError(
        f"{fix!r} does not repair {where}",
        file=where,
        value=fix,
        parameter="fix",
        remedy=f"Use one of: {names}" if names else "realdb has no repair for these predictions",
    )


def write(
    con: duckdb.DuckDBPyConnection,
    where: str,
    model: str,
    hypothesis: mistakes.Hypothesis,
    out: Path,
    *,
    force: bool,
) -> None:
    """Write the repaired predictions of `model` to `out`, after a check that they can be read."""
    import duckdb

    from ...store.files import replacing, require_parquet

    require_parquet(out, force=force)
    if hypothesis.ranks:
        con.execute(_RANKED.format(ORDERS[hypothesis.ranks]), [model])
    stated = np.arange(mistakes.MOST_IMAGE + 1)
    con.register("images_meant", {"stated": stated, "image_id": hypothesis.image_of[:-1]})
    stated = np.arange(mistakes.LEAST_LABEL, mistakes.MOST_LABEL + 1)
    con.register("labels_meant", {"stated": stated, "label": hypothesis.class_of[:-1]})
    # A choice without a class, such as the background, is left out. Later choices move up.
    con.execute(
        """
        create table fixed as
        select
            p.model,
            i.image_id,
            cast(
                p.rank - count(case when l.label is null then 1 end)
                    over (partition by i.image_id order by p.rank) as smallint
            ) as rank,
            l.label,
            p.confidence
        from stated as p
        inner join images_meant as i on p.image = i.stated and i.image_id > 0
        left join labels_meant as l on p.label = l.stated and l.label >= 0
        where p.model = $1
        """,
        [model],
    )
    con.execute("delete from fixed where label is null")
    rows, left = con.execute(
        """
        select
            count(*),
            (select count(*) from stated where model = $1) - count(*)
        from fixed
        """,
        [model],
    ).fetchall()[0]
    try:
        with replacing(out) as aside:
            con.sql(
                """
                select
                    fixed.model,
                    images.file_name,
                    fixed.rank,
                    fixed.label,
                    fixed.confidence
                from fixed
                inner join images on fixed.image_id = images.image_id
                order by fixed.image_id, fixed.rank
                """
            ).write_parquet(str(aside), compression="zstd")
            _check(aside, where, out, rows)
    except (OSError, duckdb.Error) as error:
        raise DataError(
            f"{out} cannot be written: {str(error).splitlines()[0]}", file=out, parameter="out"
        ) from None
    if left:
        warnings.warn(
            f"{out} does not contain {left:,} of the {rows + left:,} predictions, because they "
            "have no valid image or class (a background class, for example)",
            RealdbWarning,
            stacklevel=3,
        )


def _check(aside: Path, where: str, out: Path, rows: int) -> None:
    """Read the written file like `accuracy`; DataError if it is invalid or incomplete."""
    import duckdb

    from ...ingest import predictions as reading
    from ...schema.tables import create_table

    with duckdb.connect() as con:
        create_table(con, "predictions")
        try:
            reading.add(con, aside, input_format="parquet")
        except DataError as error:
            refusal = error.renamed(aside, out)
            raise DataError(
                f"{where} would still be refused after this repair: {refusal.message}",
                file=where,
                row=refusal.row,
                column=refusal.column,
                value=refusal.value,
                count=refusal.count,
                remedy=refusal.remedy,
            ) from None
        found = con.table("predictions").count("*").fetchall()[0][0]
    if found != rows:
        raise DataError(
            f"{out} contains only {found:,} of {counted(rows, 'row')} after the write",
            file=out,
            count=found,
            remedy="Check whether the disk is full",
        )
