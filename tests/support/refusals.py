"""Compare errors by their fields and facts, and not by their wording."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from realdb.errors import RealdbError


@contextlib.contextmanager
def refused(
    kind: type[RealdbError], *facts: object, **fields: object
) -> Iterator[pytest.ExceptionInfo[RealdbError]]:
    """Expect an error of exactly this type, with these fields and facts in its text; yield it.

    Facts are counts, values, names, files and commands.
    """
    with pytest.raises(kind) as caught:
        yield caught
    error = caught.value
    assert type(error) is kind
    text = str(error)
    for fact in facts:
        assert str(fact) in text
    found = {name: getattr(error, name) for name in fields}
    expected = {
        name: value
        if value is None or (isinstance(value, int) and name in ("row", "count"))
        else str(value)
        for name, value in fields.items()
    }
    assert found == expected, text
