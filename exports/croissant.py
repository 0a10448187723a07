"""The tables as Parquet, and croissant.json, their description in MLCommons Croissant 1.0.

The description (http://mlcommons.org/croissant/1.0) has each table's file with its SHA-256, and its
columns with the text of the table's header. A record set has the name of its table. Stored
predictions and the class names of other lists are left out, because they have other licences.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..schema import quoting
from ..schema.tables import COMPUTED, KEPT_TABLES, TABLES, header_of, summary
from ..store.files import checksum
from .registry import Export

_LEFT_OUT = (*KEPT_TABLES, "class_names", "build", *COMPUTED)
_TYPES = {
    "BOOLEAN": "sc:Boolean",
    "SMALLINT": "sc:Integer",
    "INTEGER": "sc:Integer",
    "BIGINT": "sc:Integer",
    "DOUBLE": "sc:Float",
    "VARCHAR": "sc:Text",
    "TIMESTAMP": "sc:DateTime",
}
# The terms of the specification that the context defines.
_TERMS = (
    *("citeAs", "column", "extract", "field", "fileObject", "fileProperty", "fileSet", "format"),
    *("includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet"),
    *("references", "regex", "repeated", "replace", "samplingRate", "separator", "source"),
    *("subField", "transform"),
)
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _TERMS},
}


def write(export: Export) -> int:
    """Write the tables and their description; return the number of rows."""
    there = {
        name
        for (name,) in export.con.execute(
            "select table_name from information_schema.tables"
        ).fetchall()
    }
    tables = [name for name in TABLES if name in there and name not in _LEFT_OUT]
    (export.path / "tables").mkdir(parents=True)
    rows = sum(_write_table(export, table) for table in tables)
    content = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "realdb",
        "description": "The ReaL labels of the ImageNet (ILSVRC 2012) validation set, and the "
        "votes and scores that they come from, as tables.",
        "url": "https://github.com/google-research/reassessed-imagenet",
        "license": "https://www.apache.org/licenses/LICENSE-2.0",
        "citeAs": export.notice["citation"],
        "datePublished": "2020-06-12",
        "version": "1.0.0",
        "creator": {"@type": "sc:Organization", "name": "Google Research"},
        "distribution": [_file(export, table) for table in tables],
        "recordSet": [_record_set(export, table) for table in tables],
    }
    text = json.dumps(content, indent=2) + "\n"
    (export.path / "croissant.json").write_text(text, encoding="utf-8")
    return rows


def count(path: Path) -> int:
    """Count the rows of the files in croissant.json; DataError for a wrong checksum."""
    import pyarrow.parquet as pq

    rows = 0
    for file in json.loads((path / "croissant.json").read_bytes())["distribution"]:
        here = path / file["contentUrl"]
        if checksum(here) != file["sha256"]:
            raise DataError(
                f"{file['contentUrl']} does not have the bytes that realdb wrote",
                file=file["contentUrl"],
                remedy="Check the disk",
            )
        rows += pq.read_metadata(here).num_rows
    return rows


def _write_table(export: Export, table: str) -> int:
    path = export.path / "tables" / f"{table}.parquet"
    key = ", ".join(map(quoting.identifier, header_of(table).key))
    ((rows,),) = export.con.execute(
        f"""
        copy (from {quoting.identifier(table)} order by {key})
        to {quoting.literal(quoting.file_name(path))}
        (format parquet, compression zstd, kv_metadata $notice)
        """,
        {"notice": dict(export.notice)},
    ).fetchall()
    return int(rows)


def _file(export: Export, table: str) -> dict[str, Any]:
    path = export.path / "tables" / f"{table}.parquet"
    return {
        "@type": "cr:FileObject",
        "@id": f"{table}.parquet",
        "name": f"{table}.parquet",
        "contentUrl": f"tables/{table}.parquet",
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": "application/x-parquet",
        "sha256": checksum(path),
    }


def _record_set(export: Export, table: str) -> dict[str, Any]:
    rows = export.con.table(table)
    about = header_of(table)
    return {
        "@type": "cr:RecordSet",
        "@id": table,
        "name": table,
        "description": summary(about),
        "key": [{"@id": f"{table}/{column}"} for column in about.key],
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{table}/{column}",
                "name": column,
                "description": about.columns[column],
                "dataType": _TYPES[str(kind)],
                "source": {
                    "fileObject": {"@id": f"{table}.parquet"},
                    "extract": {"column": column},
                },
            }
            for column, kind in zip(rows.columns, rows.types, strict=True)
        ],
    }
