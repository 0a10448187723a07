"""realdb: the ReaL labels of ImageNet, their votes and your model's predictions, as a database."""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .api.ask import connect as connect
    from .api.ask import query as query
    from .api.build import ingest as ingest
    from .api.collect import add as add
    from .api.collect import leaderboard as leaderboard
    from .api.collect import models as models
    from .api.collect import remove as remove
    from .api.describe import info as info
    from .api.describe import view_sql as view_sql
    from .api.describe import views as views
    from .api.diagnose import Diagnosis as Diagnosis
    from .api.diagnose import Finding as Finding
    from .api.diagnose import doctor as doctor
    from .api.judge import Accuracy as Accuracy
    from .api.judge import accuracy as accuracy
    from .api.judge import accuracy_table as accuracy_table
    from .api.show import demo as demo
    from .errors import RealdbError as RealdbError
    from .errors import RealdbWarning as RealdbWarning
else:
    # The call `ingest` shares its name with the folder. Python binds a submodule's name when it is
    # first imported: that is done here, at no cost, so that the name is the call's from now on.
    from . import ingest

    del ingest

# Where each public name stands.
_MODULES = {
    "Accuracy": "api.judge",
    "Diagnosis": "api.diagnose",
    "Finding": "api.diagnose",
    "RealdbError": "errors",
    "RealdbWarning": "errors",
    "accuracy": "api.judge",
    "accuracy_table": "api.judge",
    "add": "api.collect",
    "connect": "api.ask",
    "demo": "api.show",
    "doctor": "api.diagnose",
    "info": "api.describe",
    "ingest": "api.build",
    "leaderboard": "api.collect",
    "models": "api.collect",
    "query": "api.ask",
    "remove": "api.collect",
    "view_sql": "api.describe",
    "views": "api.describe",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that `realdb --help` imports no DuckDB."""
    if name not in _MODULES:
        raise AttributeError(f"module 'realdb' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_MODULES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
