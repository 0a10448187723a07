"""The report: a page about the judged models that is complete by itself."""

from __future__ import annotations

from .writing import Reported as Reported
from .writing import report as report
