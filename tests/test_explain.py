from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

import realdb
from realdb import terminal
from realdb.api.explain import vote_table
from realdb.errors import UsageError
from realdb.store.store import Store
from refusals import refused


def test_an_image_of_the_real_data(real_store: Store, upstream: Path, real_data: Path) -> None:
    """The votes are those of raters.npz, the parts add up to the score of scores.npz."""
    found = realdb.explain(293, real_data / "predictions" / "ViT.csv", store=real_store.root)
    with np.load(upstream / "raters.npz") as raters, np.load(upstream / "scores.npz") as scores:
        asked = np.flatnonzero(scores["info"][:, 0] == found.file_name)
        assert sorted(q.label for q in found.questions) == sorted(
            scores["info"][asked, 1].astype(int).tolist()
        )
        votes = {
            int(scores["info"][place, 1]): {
                (int(raters["ids"][rater]), ("no", "maybe", "yes")[int(answer)])
                for rater, answer in np.argwhere(raters["tensor"][:, place])
            }
            for place in asked
        }
        published = {int(scores["info"][place, 1]): scores["tensor"][place] for place in asked}
    for question in found.questions:
        assert {(vote.rater_id, vote.answer) for vote in question.votes} == votes[question.label]
        parts = (question.prior_evidence, question.original_evidence, question.raters_evidence)
        assert None not in parts
        nats = sum(part or 0 for part in parts)
        assert 1 / (1 + math.exp(-nats)) == pytest.approx(published[question.label], abs=1e-12)
        assert question.raters_evidence == pytest.approx(
            sum(vote.log_likelihood_ratio or 0 for vote in question.votes), abs=1e-12
        )
        assert question.published_score == published[question.label]
        assert question.is_real == (question.label in found.labels)
    assert [c.model for c in found.models] == ["ViT"]
    kept = [q.label for q in found.questions if (q.recomputed_score or 0) >= found.threshold]
    assert sorted(kept) == sorted(found.labels)


NAMES = [293, "293", "ILSVRC2012_val_00000293.JPEG", r"val\ILSVRC2012_val_00000293_n01440764"]


@pytest.mark.parametrize("image", NAMES)
def test_an_image_by_number_or_name(image: int | str, synthetic_store: Store) -> None:
    assert realdb.explain(image, store=synthetic_store.root).image_id == 293


@pytest.mark.parametrize("image", [0, 50_001, "-1", "tench", "", "1.5", "ILSVRC2012_val_00000000"])
def test_no_image(image: int | str, synthetic_store: Store) -> None:
    with refused(UsageError, parameter="image", value=image):
        realdb.explain(image, store=synthetic_store.root)


def test_an_image_that_was_not_rated(
    synthetic_store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    root = synthetic_store.root
    ((image,),) = realdb.query(
        "select min(image_id) from images where not is_rated", store=root
    ).fetchall()
    found = realdb.explain(image, store=root)
    assert found.questions == ()
    assert found.labels == (found.original_label,)
    terminal.emit_explanation(found, "table")
    assert "No rater was asked about this image" in capsys.readouterr().out


def test_a_store_without_votes(bare_store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    found = realdb.explain(5, store=bare_store.root)
    assert found.questions == ()
    terminal.emit_explanation(found, "table")
    assert "raters.npz" in capsys.readouterr().out


@pytest.fixture
def rated(synthetic_store: Store, synthetic: Path) -> realdb.Explanation:
    root = synthetic_store.root
    ((image,),) = realdb.query("select min(image_id) from golden_truths", store=root).fetchall()
    return realdb.explain(image, synthetic / "predictions", store=root)


def test_all_formats_have_the_same_values(
    rated: realdb.Explanation,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    votes = sum(len(question.votes) for question in rated.questions)
    assert votes >= 5
    terminal.emit_explanation(rated, "json")
    said = json.loads(capsys.readouterr().out)
    assert said == json.loads(json.dumps(rated.as_dict()))
    assert sum(len(question["votes"]) for question in said["questions"]) == votes
    assert len(vote_table(rated)) == votes
    terminal.emit_explanation(rated, "csv")
    assert len(capsys.readouterr().out.splitlines()) == votes + 1
    monkeypatch.setenv("COLUMNS", "120")
    terminal.emit_explanation(rated, "table")
    shown = capsys.readouterr().out
    for question in rated.questions:
        for vote in question.votes:
            assert f"{vote.rater_id}: {vote.answer} {vote.log_likelihood_ratio:+.3f}" in shown
        assert f"{question.recomputed_score:.6f}" in shown
    assert "experts: " in shown
    for choice in rated.models:
        assert choice.model in shown
