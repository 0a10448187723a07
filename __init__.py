"""realdb: the ReaL labels of ImageNet, their votes and your model's predictions, as a database."""

from __future__ import annotations

__version__ = "0.1.0"
