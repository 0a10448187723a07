"""The errors and the warning that realdb raises on purpose; each error knows its exit code."""

from __future__ import annotations


class RealdbError(Exception):
    """Something the user can mend; its text says what, where and what to do next.

    `exit_code` is what the command line leaves with: 1 for data or a query that is refused.
    """

    exit_code = 1


class DataError(RealdbError):
    """A file, or what stands in it, is refused."""


class QueryError(RealdbError):
    """A query or the name of a view is refused."""


class UsageError(RealdbError):
    """Arguments that do not fit together."""

    exit_code = 2


class StoreError(RealdbError):
    """There is no store here, or one that this version cannot read."""

    exit_code = 3


class RealdbWarning(UserWarning):
    """A result stands, but there is something about it that its reader should know."""
