"""realdb: the ReaL labels of ImageNet, their votes and your model's predictions, as a database."""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .api import Accuracy as Accuracy
    from .api import accuracy as accuracy
    from .api import accuracy_table as accuracy_table
    from .api import connect as connect
    from .api import demo as demo
    from .api import info as info
    from .api import ingest as ingest
    from .api import query as query
    from .api import view_sql as view_sql
    from .api import views as views
    from .errors import RealdbError as RealdbError
    from .errors import RealdbWarning as RealdbWarning
else:
    # The call `ingest` shares its name with the folder. Python binds a submodule's name when it is
    # first imported: that is done here, at no cost, so that the name is the call's from now on.
    from . import ingest

    del ingest

_ERRORS = ("RealdbError", "RealdbWarning")
__all__ = [
    "Accuracy",
    "RealdbError",
    "RealdbWarning",
    "accuracy",
    "accuracy_table",
    "connect",
    "demo",
    "info",
    "ingest",
    "query",
    "view_sql",
    "views",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that `realdb --help` imports no DuckDB."""
    if name not in __all__:
        raise AttributeError(f"module 'realdb' has no attribute {name!r}")
    from . import api, errors

    return getattr(errors if name in _ERRORS else api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
