"""Arrow IPC, as a file (Feather version 2) or as a stream, without compression.

The notice is in the schema's metadata. A column's meaning is in its field's metadata, as
`description`.
"""

from __future__ import annotations

from pathlib import Path

from .registry import Export

_ROWS = 100_000


def write(export: Export) -> int:
    """Write the rows; return their number."""
    import pyarrow as pa

    batches = export.asked.to_arrow_reader(_ROWS)
    schema = pa.schema(
        [
            field.with_metadata({"description": meaning}) if meaning else field
            for field in batches.schema
            for meaning in [export.meaning(field.name)]
        ],
        metadata=dict(export.notice),
    )
    is_stream = export.target is None or export.target.suffix.lower() == ".arrows"
    make = pa.ipc.new_stream if is_stream else pa.ipc.new_file
    rows = 0
    with make(export.path, schema) as writer:
        for batch in batches:
            writer.write_batch(batch.replace_schema_metadata(None).cast(schema))
            rows += batch.num_rows
    return rows


def count(path: Path) -> int:
    """Count the rows of the file at `path`."""
    import pyarrow as pa

    with pa.OSFile(str(path)) as file:
        is_file = file.read(6) == b"ARROW1"
        file.seek(0)
        if not is_file:
            return sum(batch.num_rows for batch in pa.ipc.open_stream(file))
        reader = pa.ipc.open_file(file)
        return sum(reader.get_batch(n).num_rows for n in range(reader.num_record_batches))
