"""realdb: the ReaL labels of ImageNet, their votes and your model's predictions, as a database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .version import __version__ as __version__

if TYPE_CHECKING:
    from .api import charts as charts
    from .api.agree import agreement as agreement
    from .api.ask import connect as connect
    from .api.ask import query as query
    from .api.build import ingest as ingest
    from .api.charts import plot as plot
    from .api.collect import add as add
    from .api.collect import models as models
    from .api.collect import remove as remove
    from .api.compare import Comparison as Comparison
    from .api.compare import compare as compare
    from .api.describe import info as info
    from .api.describe import view_sql as view_sql
    from .api.describe import views as views
    from .api.doctor import Diagnoses as Diagnoses
    from .api.doctor import Diagnosis as Diagnosis
    from .api.doctor import Finding as Finding
    from .api.doctor import doctor as doctor
    from .api.drop_in import RealLabelsImagenet as RealLabelsImagenet
    from .api.explain import Explanation as Explanation
    from .api.explain import explain as explain
    from .api.export import Exported as Exported
    from .api.export import export as export
    from .api.groups import add_groups as add_groups
    from .api.groups import groups as groups
    from .api.groups import remove_groups as remove_groups
    from .api.judge import accuracy as accuracy
    from .api.judge import accuracy_table as accuracy_table
    from .api.label_sets import add_labels as add_labels
    from .api.label_sets import compare_labels as compare_labels
    from .api.label_sets import label_sets as label_sets
    from .api.label_sets import remove_labels as remove_labels
    from .api.labels import real_labels as real_labels
    from .api.leaderboard import leaderboard as leaderboard
    from .api.metric import RealAccuracy as RealAccuracy
    from .api.report import Reported as Reported
    from .api.report import report as report
    from .api.rescore import Recomputation as Recomputation
    from .api.rescore import Rescored as Rescored
    from .api.rescore import scores as scores
    from .api.rescore import verify_scores as verify_scores
    from .api.results import Accuracy as Accuracy
    from .api.results import AccuracyByLabels as AccuracyByLabels
    from .api.show import demo as demo
    from .api.verify import Check as Check
    from .api.verify import verify as verify
    from .browse.server import browse as browse
    from .errors import RealdbError as RealdbError
    from .errors import RealdbWarning as RealdbWarning
else:
    # The functions `browse`, `ingest` and `report` have the names of subpackages. Python binds the
    # name of a subpackage at its first import. Import them here, so that a later import does not
    # hide the functions.
    from . import browse, ingest, report

    del browse, ingest, report

# The module of each public name.
_MODULES = {
    "Accuracy": "api.results",
    "AccuracyByLabels": "api.results",
    "Check": "api.verify",
    "Comparison": "api.compare",
    "Diagnoses": "api.doctor",
    "Diagnosis": "api.doctor",
    "Explanation": "api.explain",
    "Exported": "api.export",
    "Finding": "api.doctor",
    "RealAccuracy": "api.metric",
    "RealLabelsImagenet": "api.drop_in",
    "Recomputation": "api.rescore",
    "Reported": "api.report",
    "Rescored": "api.rescore",
    "RealdbError": "errors",
    "RealdbWarning": "errors",
    "accuracy": "api.judge",
    "accuracy_table": "api.judge",
    "add": "api.collect",
    "add_groups": "api.groups",
    "add_labels": "api.label_sets",
    "agreement": "api.agree",
    "browse": "browse.server",
    "compare": "api.compare",
    "compare_labels": "api.label_sets",
    "connect": "api.ask",
    "demo": "api.show",
    "doctor": "api.doctor",
    "explain": "api.explain",
    "export": "api.export",
    "groups": "api.groups",
    "info": "api.describe",
    "ingest": "api.build",
    "label_sets": "api.label_sets",
    "leaderboard": "api.leaderboard",
    "models": "api.collect",
    "plot": "api.charts",
    "query": "api.ask",
    "real_labels": "api.labels",
    "remove": "api.collect",
    "remove_groups": "api.groups",
    "remove_labels": "api.label_sets",
    "report": "api.report",
    "scores": "api.rescore",
    "verify": "api.verify",
    "verify_scores": "api.rescore",
    "view_sql": "api.describe",
    "views": "api.describe",
}
# Public names that are modules.
_SUBMODULES = {"charts": "api.charts"}
__all__ = [*_MODULES, *_SUBMODULES]


def __getattr__(name: str) -> object:
    """Import a public name at its first use: `realdb --help` need not import DuckDB."""
    from importlib import import_module

    if name in _SUBMODULES:
        return import_module(f".{_SUBMODULES[name]}", __name__)
    if name not in _MODULES:
        raise AttributeError(f"module 'realdb' has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_SUBMODULES})
