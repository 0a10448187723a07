"""Read values that libraries print: `np.int64(394)`, `b'394'`, `LABEL_394`, `(1, 2)`, `12.3%`.

Unambiguous texts are read. All other texts stay unchanged, and later checks refuse them. Blanks and
invisible characters around a value are removed.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..schema.tables import IMAGES
from . import image_names

if TYPE_CHECKING:
    import duckdb

# The temporary table of texts and their values.
_MEANT = "printed_values"
_TEXTS = ("varchar", "blob", "enum")
_BLANKS = " \t\u00a0\u2007\u202f\u200b\u200c\u200d\u2060\ufeff"
MISSING = frozenset({"", "-", "--", "n/a", "#n/a", "na", "<na>", "nan", "none", "null"})

_SCALAR = re.compile(
    r"\b(?:np|numpy)\.(?:u?int(?:8|16|32|64|p|c)?|u?long(?:long)?|float(?:16|32|64)|str_|bytes_)"
    r"""\(([^()'"]*|b?'[^'\\]*'|b?"[^"\\]*")\)"""
)
_ARRAY = re.compile(r"\b(?:np\.|numpy\.)?array\((\[[^\[\]()]*\])(?:, dtype=[\w.'<>|=]+)?\)")
_BYTES = re.compile(r"""(?<![^\[(\s,])b(?='[^'\\]*'|"[^"\\]*")""")
_ANY_BYTES = re.compile(r"""(?<![^\[(\s,])b['"]""")
_QUOTED = re.compile(r"""(['"])([^'"\\]*)\1""")
_TUPLE = re.compile(r"\(([^()]*[^(),\s])\s*,?\s*\)")
_LISTED_TEXTS = re.compile(
    r"""\(\s*(?:(?:'[^'\\]*'|"[^"\\]*")\s*,\s*)+(?:'[^'\\]*'|"[^"\\]*")?\s*\)"""
)
_ONE = re.compile(r"""[(\[]\s*('[^'\\]*'|"[^"\\]*"|[^()\[\]'",\s]+)\s*,?\s*[)\]]""")
# Hugging Face writes LABEL_394 for a class without a name: the class id.
_NUMBERED = re.compile(r"\b(?:label|class)_([0-9]{1,3})\b", re.IGNORECASE)
_ID = r"(?:0|[1-9][0-9]{0,2})"
_REAL = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_DECIMAL_COMMA = re.compile(r"[-+]?[0-9]+,[0-9]+(?:[eE][-+]?[0-9]+)?(?:\s?%)?")
_WHOLE = re.compile(r"[-+]?[0-9]+(?:[eE][-+]?[0-9]+)?(?:\s?%)?")
_THOUSANDS = re.compile(r"[-+]?[1-9][0-9]{0,2},[0-9]{3}(?:\s?%)?")
_PERCENT = re.compile(rf"{_REAL}\s?%")
# How libraries print tensors, by the method that returns the value.
_HELD = {
    ".numpy()": re.compile(r"<tf\.Tensor|tf\.Tensor\("),
    ".item()": re.compile(r"\b(?:tensor|Parameter|Tensor|DeviceArray|Array)\("),
}


def read(
    con: duckdb.DuckDBPyConnection, rows: duckdb.DuckDBPyRelation
) -> duckdb.DuckDBPyRelation | None:
    """Return `rows` with printed values replaced by plain ones; None if there are none.

    Printed lists stay text, with brackets and commas or blanks.
    """
    import pyarrow as pa

    kinds = dict(zip(rows.columns, rows.types, strict=True))
    is_odd = {
        role: f"not coalesce({is_plain.format(f'cast({role} as varchar)')}, true)"
        for role, (is_plain, _) in _ROLES.items()
        if kinds[role].id in _TEXTS
    }
    if not is_odd:
        return None
    (has_odd,) = rows.aggregate(", ".join(f"bool_or({odd})" for odd in is_odd.values())).fetchall()
    meant: list[tuple[str, str, str | None]] = []
    for role in itertools.compress(is_odd, has_odd):
        # The meaning of a confidence or a list depends on the other values of the column.
        whole = rows.filter(f"{role} is not null" if role in _BY_COLUMN else is_odd[role])
        texts = [
            found for (found,) in whole.project(f"cast({role} as varchar)").distinct().fetchall()
        ]
        pairs = zip(texts, _ROLES[role][1](texts), strict=True)
        meant += [(role, each, value) for each, value in pairs if value != each]
    if not meant:
        return None
    columns_of = zip(("role", "text", "value"), zip(*meant, strict=True), strict=True)
    kept = {name: pa.array(column, pa.string()) for name, column in columns_of}
    con.from_arrow(pa.table(kept)).create(_MEANT)
    changed = [each for each in _ROLES if any(role == each for role, *_ in meant)]
    rows.project("*, row_number() over () as row").create_view("printed_rows")
    columns = ", ".join(
        f"case when {role}_meant.text is not null then {role}_meant.value "
        f"else cast(printed_rows.{role} as varchar) end as {role}"
        for role in changed
    )
    joins = " ".join(
        f"left join (from {_MEANT} where role = '{role}') as {role}_meant "
        f"on cast(printed_rows.{role} as varchar) = {role}_meant.text"
        for role in changed
    )
    con.execute(
        f"create table printed_out as select printed_rows.* replace ({columns}) "  # noqa: S608
        f"from printed_rows {joins} order by printed_rows.row"
    )
    con.execute(f"drop view printed_rows; drop table {_MEANT}")
    return con.table("printed_out").order("row").project("* exclude row")


def advice(texts: Sequence[str]) -> str:
    """Return advice on what to write instead of printed values; '' for other values."""
    for method, pattern in _HELD.items():
        if any(pattern.search(text) for text in texts):
            return (
                f". These are printed tensors: write their values instead, with {method} for one "
                "value or .tolist() for several"
            )
    if any(_ANY_BYTES.search(text) for text in texts):
        return ". These are printed bytes: write text instead, with .decode()"
    if any(text.strip(_BLANKS).lower() in ("true", "false") for text in texts):
        return ". True and False are not valid here: choose another column with `columns`"
    if any(text.endswith("%") for text in texts):
        return ". Write all values as percentages, or none"
    if any(_DECIMAL_COMMA.fullmatch(text) for text in texts):
        return ". Write all numbers with a decimal point"
    if any(any(c.isdigit() or c in _BLANKS[2:] for c in t if not c.isascii()) for t in texts):
        return ". Some digits or blanks are not ASCII characters: write ASCII digits"
    if texts and all(re.fullmatch(r"[A-Za-z][A-Za-z' .,()/-]*", text) for text in texts):
        return (
            ". realdb knows the names of WordNet, Keras and torchvision, and those of OpenAI's "
            "CLIP if the store was built with zero_shot_metadata.py. For other names, write the "
            "class ids"
        )
    return ""


def without_prefix(text: str) -> str:
    """Return the number of `LABEL_1000`, and any other text unchanged."""
    return re.sub(r"^(?:label|class)_(?=[0-9]+$)", "", text, flags=re.IGNORECASE)


def _bare(text: str) -> str:
    """Return `text` without blanks, NumPy's types and quotes around it."""
    text = _BYTES.sub("", _SCALAR.sub(r"\1", text.strip(_BLANKS)))
    found = _QUOTED.fullmatch(text)
    return found[2].strip(_BLANKS) if found else text


def _alone(text: str) -> str:
    """Return the value of a list or tuple with one element, as of a DataLoader of batch size 1."""
    bare = _bare(text)
    found = _ONE.fullmatch(bare)
    return _bare(found[1]) if found else bare


def _images(texts: Sequence[str]) -> list[str | None]:
    bare = [_alone(text) for text in texts]
    return [
        meant if 1 <= (image_names.number(meant) or 0) <= IMAGES else text
        for text, meant in zip(texts, bare, strict=True)
    ]


def _ranks(texts: Sequence[str]) -> list[str | None]:
    return [_alone(text) for text in texts]


def _labels(texts: Sequence[str]) -> list[str | None]:
    found = [_listed(_NUMBERED.sub(r"\1", _ARRAY.sub(r"\1", _bare(text)))) for text in texts]
    return list(_bare_lists(found, _ID))


def _listed(text: str) -> str:
    """Return a printed tuple as a list."""
    if _LISTED_TEXTS.fullmatch(text):
        return f"[{text[1:-1].strip().rstrip(',')}]"
    found = _TUPLE.fullmatch(text)
    return f"[{found[1]}]" if found and "'" not in text and '"' not in text else text


def _bare_lists(texts: list[str], element: str) -> list[str]:
    """Put brackets around `1 2 3`, `1,2,3` and `1;2;3`, if all texts are lists of one length.

    `394,0` in all rows is a decimal comma, not a list.
    """
    separators = (r"[ \t]+", r"\s*,\s*", r"\s*;\s*", r"\s*\|\s*")
    for separator in separators:
        whole = re.compile(rf"{element}(?:{separator}{element})+")
        if all(whole.fullmatch(text) for text in texts):
            rows = [re.split(separator, text) for text in texts]
            is_decimal = separator.count(",") and all(
                len(row) == 2 and not row[1].strip("0") for row in rows
            )
            if len({len(row) for row in rows}) == 1 and not is_decimal:
                return [f"[{', '.join(row)}]" for row in rows]
    return texts


def _confidences(texts: Sequence[str]) -> list[str | None]:
    bare = [_listed(_ARRAY.sub(r"\1", _bare(text))) for text in texts]
    values = [text for text in bare if text.lower() not in MISSING]
    meant = dict(zip(values, _numbers(values), strict=True))
    return [meant.get(text) for text in bare]


def _numbers(texts: list[str]) -> list[str]:
    """Read percentages and decimal commas if the whole column uses them."""
    from decimal import Decimal

    has_commas = any("," in text for text in texts) and all(
        _DECIMAL_COMMA.fullmatch(text) or _WHOLE.fullmatch(text) for text in texts
    )
    # 1,234 may have a thousands separator. Another number of digits, or a leading 0, excludes it.
    with_comma = [text for text in texts if "," in text]
    if has_commas:
        if all(_THOUSANDS.fullmatch(text) for text in with_comma):
            return texts
        texts = [text.replace(",", ".") for text in texts]
    if texts and all(_PERCENT.fullmatch(text) for text in texts):
        return [str(Decimal(text[:-1].strip()).scaleb(-2)) for text in texts]
    return _bare_lists(texts, _REAL)


# For each role: the SQL condition for plain texts, and the function that reads the others.
_ROLES: dict[str, tuple[str, Callable[[Sequence[str]], list[str | None]]]] = {
    "image": (r"regexp_full_match({}, '(ILSVRC2012_val_\d{{8}}\.JPEG|\d+)')", _images),
    "rank": (r"regexp_full_match({}, '\d+')", _ranks),
    "label": (r"regexp_full_match({}, '\d+')", _labels),
    "confidence": ("not isnan(coalesce(try_cast({} as double), 'nan'))", _confidences),
}
_BY_COLUMN = ("label", "confidence")
