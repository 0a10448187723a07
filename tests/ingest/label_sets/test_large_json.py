from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realdb.errors import DataError
from realdb.ingest.label_sets import large_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('ab"\\{}[],: é', max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text('k"\\{', max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


def refuse(text: str, **fields: Any) -> DataError:
    return DataError(text, **fields)


@given(
    content=st.dictionaries(st.text('xyz"\\,}', max_size=4), VALUES, max_size=6),
    indent=st.sampled_from([None, 2]),
    is_ascii=st.booleans(),
    chunk=st.integers(1, 40),
    cut=st.floats(0, 1, exclude_max=True),
)
def test_members_equal_those_of_the_json_module(
    tmp_path_factory: pytest.TempPathFactory,
    content: dict[str, Any],
    indent: int | None,
    is_ascii: bool,
    chunk: int,
    cut: float,
) -> None:
    path = tmp_path_factory.mktemp("json") / "one.json"
    text = json.dumps(content, indent=indent, ensure_ascii=is_ascii)
    path.write_text(text, encoding="utf-8")
    wanted = [key for key in content if key and set(key) <= {*"xyz,}"}]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(large_json, "_CHUNK", chunk)
        found = large_json.members(path, wanted, refuse)
    assert {key: json.loads(value) for key, value in found.items()} == {
        key: content[key] for key in wanted
    }
    assert dict(large_json.pairs(text.encode(), refuse)) == content
    path.write_text(text[: int(cut * len(text))], encoding="utf-8")
    with pytest.raises(DataError):
        large_json.members(path, wanted, refuse)
