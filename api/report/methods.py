"""How the figures of a report are defined: the rule, the methods, and their references."""

from __future__ import annotations

from collections.abc import Iterator, Set
from pathlib import Path

from ...report.page import Listing, Paragraph, Part, Text
from ...version import __version__
from ..chosen_labels import REAL
from ..rules import PUBLISHED_THRESHOLD, Rules
from .found import Found, name, records

# Of each reference: its BibTeX entry.
_BIBTEX = {
    "beyer": """@article{beyer2020imagenet,
  title   = {Are we done with {ImageNet}?},
  author  = {Beyer, Lucas and H{\\'e}naff, Olivier J. and Kolesnikov, Alexander and Zhai, Xiaohua
             and van den Oord, A{\\"a}ron},
  journal = {arXiv preprint arXiv:2006.07159},
  year    = {2020}
}""",
    "russakovsky": """@article{russakovsky2015imagenet,
  title   = {{ImageNet} Large Scale Visual Recognition Challenge},
  author  = {Russakovsky, Olga and Deng, Jia and Su, Hao and Krause, Jonathan and Satheesh, Sanjeev
             and Ma, Sean and Huang, Zhiheng and Karpathy, Andrej and Khosla, Aditya
             and Bernstein, Michael and Berg, Alexander C. and Fei-Fei, Li},
  journal = {International Journal of Computer Vision},
  volume  = {115},
  number  = {3},
  pages   = {211--252},
  year    = {2015}
}""",
    "wilson": """@article{wilson1927probable,
  title   = {Probable Inference, the Law of Succession, and Statistical Inference},
  author  = {Wilson, Edwin B.},
  journal = {Journal of the American Statistical Association},
  volume  = {22},
  number  = {158},
  pages   = {209--212},
  year    = {1927}
}""",
    "newcombe": """@article{newcombe1998improved,
  title   = {Improved Confidence Intervals for the Difference between Binomial Proportions Based on
             Paired Data},
  author  = {Newcombe, Robert G.},
  journal = {Statistics in Medicine},
  volume  = {17},
  number  = {22},
  pages   = {2635--2650},
  year    = {1998}
}""",
    "fagerland": """@article{fagerland2013mcnemar,
  title   = {The {McNemar} Test for Binary Matched-Pairs Data: Mid-p and Asymptotic Are Better than
             Exact Conditional},
  author  = {Fagerland, Morten W. and Lydersen, Stian and Laake, Petter},
  journal = {BMC Medical Research Methodology},
  volume  = {13},
  pages   = {91},
  year    = {2013}
}""",
    "holm": """@article{holm1979simple,
  title   = {A Simple Sequentially Rejective Multiple Test Procedure},
  author  = {Holm, Sture},
  journal = {Scandinavian Journal of Statistics},
  volume  = {6},
  number  = {2},
  pages   = {65--70},
  year    = {1979}
}""",
    "cochran": """@article{cochran1950comparison,
  title   = {The Comparison of Percentages in Matched Samples},
  author  = {Cochran, William G.},
  journal = {Biometrika},
  volume  = {37},
  number  = {3/4},
  pages   = {256--266},
  year    = {1950}
}""",
    "geirhos": """@inproceedings{geirhos2020beyond,
  title     = {Beyond Accuracy: Quantifying Trial-by-Trial Behaviour of {CNNs} and Humans by
               Measuring Error Consistency},
  author    = {Geirhos, Robert and Meding, Kristof and Wichmann, Felix A.},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {33},
  year      = {2020}
}""",
}


def rule(rules: Rules) -> list[Text]:
    """Return the rule by which predictions are judged, in sentences."""
    chosen = rules.chosen
    is_right = "is" if rules.match is None else f"shares a group of {rules.match} with"
    labels = f"a label of the image by {rules.labels}"
    if chosen.is_real:
        labels = "one of the image's ReaL labels"
    elif chosen.members == ("original",):
        labels = "the image's original label (ILSVRC 2012)"
    sentences: list[Text] = [name(f"A prediction is right if it {is_right} {labels}.")]
    if chosen.is_real and rules.scores is not None:
        sentences.append(
            (
                "ReaL labels are here those with a score of at least "
                f"{rules.threshold:g} in the user's file of scores ",
                name(Path(rules.scores).name),
                ", not the published ones.",
            )
        )
    elif chosen.is_real and rules.threshold != PUBLISHED_THRESHOLD:
        sentences.append(
            f"ReaL labels are here those with a score of at least {rules.threshold:g}. The "
            f"threshold of the published labels is {PUBLISHED_THRESHOLD:g}."
        )
    # The first sentence has the groups, and the methods define the share of the images.
    for part in rules.parts[: -1 if rules.match is None else -2]:
        sentences.append(name(f"{part[0].upper()}{part[1:]}."))
    return sentences


def judged(found: Found) -> Iterator[Part]:
    """Yield what was judged, by which rule, and what to be careful of."""
    rows = found.models
    models = "one model" if len(rows) == 1 else f"{len(rows):,} models"
    images = {row["scored_images"] for row in rows}
    scored = f"{min(images):,}" if len(images) == 1 else f"{min(images):,} to {max(images):,}"
    predicted = {row["predicted_images"] for row in rows}
    of = (
        f"{min(predicted):,}"
        if len(predicted) == 1
        else f"{min(predicted):,} to {max(predicted):,}"
    )
    yield Paragraph(
        text=f"The first choices of {models} for {of} validation images of ImageNet (ILSVRC 2012) "
        f"were judged. {scored} images were scored."
    )
    yield Listing(items=rule(found.rules))
    if found.warnings:
        yield Listing(items=[name(each) for each in found.warnings], kind="notes")


def methods(found: Found, shown: Set[str]) -> Iterator[Part]:
    """Yield the definitions and references of what the sections `shown` have."""
    yield Paragraph(text="".join(f"{each} " for each in _definitions(found, shown)).rstrip())
    cited = label_sets(found)
    if cited:
        yield Listing(
            items=[
                (
                    "Label set ",
                    name(row["label_set"]),
                    ": ",
                    name(row["citation"] or "no citation is known"),
                    ". Licence: ",
                    name(row["licence"] or "unknown"),
                    ".",
                )
                for row in cited
            ]
        )


def _definitions(found: Found, shown: Set[str]) -> Iterator[str]:
    yield (
        "An accuracy is the number of right first choices divided by the number of scored images. "
        "Its 95 % interval is Wilson's (1927). The original accuracy is the share of predicted "
        "images whose first choice is the label of ILSVRC 2012 (Russakovsky et al. 2015)."
    )
    if REAL in found.rules.chosen.members:
        yield (
            "The ReaL labels, their scores and the raters' votes are those of Beyer et al. (2020). "
            "An image can have several ReaL labels, or none."
        )
    if found.comparison is not None and shown & {"models", "pairs", "differences"}:
        yield (
            "Two models are compared on the images that both were scored on. The difference is "
            "that of their accuracies there, with the 95 % interval of Newcombe (1998, method 10). "
            "p is the two-sided mid-p value of McNemar's test (Fagerland et al. 2013), and Holm's "
            "p is corrected over all pairs (Holm 1979). Two models are distinguished where Holm's "
            "p is below 0.05. Where p is too small for a floating-point number, it is computed "
            "from its logarithm."
        )
        yield (
            "The best rank of a model is 1 plus the number of models that are better, and the "
            "worst is the number of models that are not worse. With a chance of at least 95 % the "
            "rank intervals of all models hold the true ranks."
        )
        if "pairs" in shown:
            yield (
                "Error consistency is Cohen's kappa of being right: 1 if both models are right on "
                "the same images, 0 if they err independently (Geirhos et al. 2020)."
            )
            if found.comparison.cochran_q is not None:
                yield "Cochran's Q (1950) tests all models together."
    if "images" in shown:
        yield (
            "The hardest images are those for which the largest share of the models that predict "
            "them is wrong."
        )


def references(found: Found, shown: Set[str]) -> list[str]:
    """Return the BibTeX entries of what the page uses, and of realdb."""
    keys = ["beyer", "russakovsky", "wilson"]
    if found.comparison is not None and shown & {"models", "pairs", "differences"}:
        keys += ["newcombe", "fagerland", "holm"]
        if "pairs" in shown:
            keys += ["geirhos"]
            keys += ["cochran"] if found.comparison.cochran_q is not None else []
    own = f"""@software{{realdb,
  title   = {{realdb: the {{ReaL}} labels of {{ImageNet}} as a {{SQL}} database}},
  author  = {{{{The realdb developers}}}},
  version = {{{__version__}}}
}}"""
    return [*(_BIBTEX[key] for key in keys), own]


def label_sets(found: Found) -> list[dict[str, str | None]]:
    """Return the stored label sets that judge."""
    return records(
        found.session.con.sql(
            """
            select label_set, title, licence, citation, sha256
            from stored_label_sets
            where list_contains($1, label_set)
            order by label_set
            """,
            params=[[*found.rules.chosen.members]],
        )
    )
