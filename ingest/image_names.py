"""What names a validation image: one rule for predictions and for files of original labels."""

from __future__ import annotations

# The eight digits decide. Any folder before them (after / or \), the class's WordNet id behind
# them, any extensions and blanks around the whole change nothing. To be searched for at the end of
# a text, which is \Z in Python and $ in DuckDB (RE2); all else means the same to both.
PATTERN = r"(?:^[ \t]*|[/\\])(?:ILSVRC2012_val_)?([0-9]{8})(?:_n[0-9]{8})?(?:\.[A-Za-z0-9]+)*[ \t]*"
