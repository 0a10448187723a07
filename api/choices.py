"""The choices of options, for the library and the command line.

The command line imports them at every start, so nothing else belongs here.
"""

from __future__ import annotations

from typing import Literal

# What becomes of an image that has no ReaL label.
Empty = Literal["skip", "wrong", "original"]
# What an unclear label of a label set counts as, and what becomes of problematic images.
Unclear = Literal["right", "wrong", "skip"]
Problematic = Literal["skip", "keep"]
# The mean over the images, or over the classes.
Average = Literal["micro", "class"]
# The breakdowns of the accuracy, and of the raters' agreement.
AccuracyBy = Literal["class", "label-count", "animal"]
AgreementBy = Literal["class", "animal", "rater"]
# What the standard error of a difference resamples.
StandardError = Literal["images", "within-classes", "classes"]
# How votes become scores.
Method = Literal["pipeline", "majority", "weighted", "dawid-skene", "one-coin"]
# How the votes of a user's own campaign become scores.
Aggregate = Literal["majority", "dawid-skene", "one-coin"]
# The questions on which the original label counts as a rater.
OriginalLabelFor = Literal["animals", "all", "none"]
# The answer that a 'maybe' counts as.
MaybeAs = Literal["maybe", "yes", "no"]
# How rows are printed.
OutputFormat = Literal["table", "json", "csv", "markdown", "parquet"]
# How a report is written.
ReportFormat = Literal["html", "markdown"]
# The engines whose SQL `realdb views --dialect` prints.
Dialect = Literal["spark", "duckdb"]
# How the predictions of an image are ranked: see ingest/options.py.
Ranks = Literal["as-written", "by-confidence", "reversed"]
