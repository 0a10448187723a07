"""Mutated prediction files: each is refused, or read as an independent reader reads it.

The reader below knows neither DuckDB nor realdb. It takes the columns by their places, so that a
header may change; what it cannot read, realdb has to refuse.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import re
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from connections import empty_connection

from campaigns import number
from realdb.errors import DataError, RealdbWarning
from realdb.ingest import predictions
from realdb.schema.tables import create_table

# The content of a file: the class of each image. None if the reader cannot read it.
Said = dict[int, int] | None

_IMAGES = 40
_NAME = re.compile(r"(?i)(?:.*[/\\])?(?:ilsvrc2012_val_)?(\d{8})(?:_n\d{8})?(?:\.[a-z0-9]+)*")
_INTERESTING = b",;\t| \"'\n\r0129.-#[]{}:\\\x00\xff\xc3eE+x"


def rows(seed: int) -> list[tuple[str, int, float]]:
    """Return predictions in a shuffled order: names, classes, confidences."""
    rng = random.Random(seed)
    images = rng.sample(range(1, 50_001), _IMAGES)
    return [
        (f"ILSVRC2012_val_{image:08d}.JPEG", rng.randrange(1000), round(rng.random(), 4))
        for image in images
    ]


def _image(value: object) -> int | None:
    found = _NAME.fullmatch(str(value).strip(" \t"))
    return int(found[1]) if found and 1 <= int(found[1]) <= 50_000 else None


def _label(value: object) -> int | None:
    found = re.fullmatch(r"[ \t]*(\d+)(?:\.0*)?[ \t]*", str(value), re.ASCII)
    return int(found[1]) if found and int(found[1]) < 1000 else None


def said(pairs: list[tuple[object, object]]) -> Said:
    """Map images to classes; None if a pair is invalid or repeated."""
    found: dict[int, int] = {}
    for one, other in pairs:
        image, label = _image(one), _label(other)
        if image is None or label is None or image in found:
            return None
        found[image] = label
    return found or None


def text_of(separator: str, header: bool) -> Callable[[list[tuple[str, int, float]]], bytes]:
    def write(held: list[tuple[str, int, float]]) -> bytes:
        out = io.StringIO()
        writer = csv.writer(out, delimiter=separator, lineterminator="\n")
        if header:
            writer.writerow(["file_name", "label", "confidence"])
        writer.writerows(held)
        return out.getvalue().encode()

    return write


def read_text(separator: str, header: bool) -> Callable[[bytes], Said]:
    def read(content: bytes) -> Said:
        try:
            lines = list(
                csv.reader(io.StringIO(content.decode()), delimiter=separator, strict=True)
            )
        except (ValueError, csv.Error):
            return None
        lines = [line for line in lines if line]
        has_header = header and bool(lines) and _image(lines[0][0]) is None
        data = lines[1:] if has_header else lines
        if any(len(line) != 3 for line in lines):
            return None
        return said([(line[0], line[1]) for line in data])

    return read


def write_records(held: list[tuple[str, int, float]]) -> bytes:
    return json.dumps([{"file_name": n, "label": c, "confidence": p} for n, c, p in held]).encode()


def write_map(held: list[tuple[str, int, float]]) -> bytes:
    return json.dumps({n: c for n, c, _ in held}, indent=1).encode()


def write_columns(held: list[tuple[str, int, float]]) -> bytes:
    return json.dumps(
        {"file_name": [n for n, *_ in held], "label": [c for _, c, _ in held]}
    ).encode()


def write_lines(held: list[tuple[str, int, float]]) -> bytes:
    return "".join(json.dumps({"file_name": n, "label": c}) + "\n" for n, c, _ in held).encode()


def _twice(members: list[tuple[str, object]]) -> dict[str, object]:
    if len(dict(members)) < len(members):
        raise ValueError("a key twice")
    return dict(members)


def read_json(content: bytes) -> Said:
    try:
        text = content.decode()
        try:
            held = json.loads(text, object_pairs_hook=_twice)
        except ValueError:
            held = [
                json.loads(line, object_pairs_hook=_twice) for line in text.splitlines() if line
            ]
        if isinstance(held, list):
            return said([(record["file_name"], record["label"]) for record in held])
        if all(isinstance(value, list) for value in held.values()):
            return said(list(zip(*held.values(), strict=True)))
        return said(list(held.items()))
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return None


def write_parquet(held: list[tuple[str, int, float]]) -> bytes:
    out = io.BytesIO()
    names, labels, _ = zip(*held, strict=True)
    # Without Arrow's schema, which pyarrow reads in place of Parquet's and DuckDB ignores.
    pq.write_table(pa.table({"file_name": names, "label": labels}), out, store_schema=False)
    return out.getvalue()


def write_arrow(held: list[tuple[str, int, float]]) -> bytes:
    out = io.BytesIO()
    names, labels, _ = zip(*held, strict=True)
    table = pa.table({"file_name": names, "label": labels})
    with pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def read_table(content: bytes) -> Said:
    try:
        source = pa.BufferReader(content)
        table = (
            pa.ipc.open_file(source).read_all()
            if content[:6] == b"ARROW1"
            else pq.read_table(source)
        )
        table.validate(full=True)
        return said(list(zip(*(column.to_pylist() for column in table.columns), strict=True)))
    except Exception:
        return None


def write_gzip(held: list[tuple[str, int, float]]) -> bytes:
    return gzip.compress(text_of(",", header=True)(held), mtime=0)


def read_gzip(content: bytes) -> Said:
    try:
        return read_text(",", header=True)(gzip.decompress(content))
    except (OSError, EOFError, zlib.error, ValueError):
        return None


def write_npy(held: list[tuple[str, int, float]]) -> bytes:
    out = io.BytesIO()
    np.save(out, np.arange(50_000) * held[0][1] % 1000)
    return out.getvalue()


def write_npz(held: list[tuple[str, int, float]]) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, (np.arange(50_000) * held[0][1] % 1000).astype(np.int16))
    return out.getvalue()


def read_numpy(content: bytes) -> Said:
    try:
        held = np.load(io.BytesIO(content), allow_pickle=False)
        if isinstance(held, np.lib.npyio.NpzFile):
            (held,) = held.values()
        if held.shape != (50_000,) or held.dtype.kind not in "iu":
            return None
        if held.min() < 0 or held.max() > 999:
            return None
        return dict(zip(range(1, 50_001), held.tolist(), strict=True))
    except Exception:
        return None


# Twelve formats: how a file ends, how it is written, and how it is read without realdb.
FORMATS: dict[str, tuple[str, Callable[..., bytes], Callable[[bytes], Said]]] = {
    "csv": (".csv", text_of(",", header=True), read_text(",", header=True)),
    "tsv": (".tsv", text_of("\t", header=True), read_text("\t", header=True)),
    "semicolons": (".csv", text_of(";", header=True), read_text(";", header=True)),
    "no header": (".txt", text_of(",", header=False), read_text(",", header=False)),
    "records": (".json", write_records, read_json),
    "map": (".json", write_map, read_json),
    "columns": (".json", write_columns, read_json),
    "jsonl": (".jsonl", write_lines, read_json),
    "parquet": (".parquet", write_parquet, read_table),
    "arrow": (".arrow", write_arrow, read_table),
    "gzip": (".csv.gz", write_gzip, read_gzip),
    "npy": (".npy", write_npy, read_numpy),
    "npz": (".npz", write_npz, read_numpy),
}


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Change a file in one place, as a disk, an editor or a script does."""
    place = rng.randrange(len(content))
    lines = content.splitlines(keepends=True)
    line = rng.randrange(len(lines))
    other = rng.randrange(len(lines))
    match rng.randrange(9):
        case 0:
            flipped = content[place] ^ (1 << rng.randrange(8))
            return content[:place] + bytes([flipped]) + content[place + 1 :]
        case 1:
            return content[:place] + rng.choice(_INTERESTING).to_bytes() + content[place + 1 :]
        case 2:
            return content[:place] + rng.choice(_INTERESTING).to_bytes() + content[place:]
        case 3:
            return content[:place] + content[place + 1 :]
        case 4:
            return content[:place]
        case 5:
            return b"".join([*lines[:line], lines[other], *lines[line:]])
        case 6:
            return b"".join([*lines[:line], *lines[line + 1 :]])
        case 7:
            end = min(len(content), place + rng.randrange(1, 40))
            return content[:place] + content[end:]
        case _:
            return content[:place] + bytes(rng.randrange(256) for _ in range(3)) + content[place:]


def check(form: str, seed: int, folder: Path) -> str:
    """Return the outcome for a mutated file: `refused`, `read`, or a description of the fault."""
    suffix, write, read = FORMATS[form]
    rng = random.Random(f"{form} {seed}")
    content = mutated(write(rows(seed)), rng)
    path = folder / f"mutated{suffix}"
    path.write_bytes(content)
    with empty_connection() as con, warnings.catch_warnings():
        warnings.simplefilter("ignore", RealdbWarning)
        create_table(con, "predictions")
        try:
            predictions.add(con, path)
        except DataError:
            return "refused"
        except Exception as error:  # the kind that reaches a user as a traceback
            return f"{type(error).__name__}: {error}"
        found = con.execute("select image_id, label from predictions where rank = 1").fetchall()
        others = con.execute("select count(*) from predictions where rank > 1").fetchall()[0][0]
    if others or dict(found) != read(content):
        return "read otherwise"
    return "read"


@pytest.mark.parametrize("form", FORMATS)
def test_a_mutated_file_is_refused_or_read_correctly(form: str, tmp_path: Path) -> None:
    tried = {seed: check(form, seed, tmp_path) for seed in range(number(4, 160, more=12))}
    print(form, {became: [*tried.values()].count(became) for became in {*tried.values()}})
    assert {
        seed: became for seed, became in tried.items() if became not in ("refused", "read")
    } == {}
