"""Read the source files, check them against each other, and fill the tables."""

from __future__ import annotations

import glob
import hashlib
import os
import warnings
from collections.abc import Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError, RealdbWarning
from ..schema.tables import IMAGES
from ..store.build import Build
from ..store.files import checksum
from . import classes
from .known import SourceFile, known_files, refusal
from .labels import RealLabels, read_real_labels
from .original_labels import OriginalLabels, read_original_labels
from .progress import Progress, silent
from .questions import Questions, require_same
from .scores import Scores, read_scores
from .votes import ANSWERS, RaterVotes, read_votes

if TYPE_CHECKING:
    import duckdb

# Files of original labels, in order of preference. If there are several, they must agree.
ORIGINAL_FILES = (
    "validation_labels.txt",
    "filename_label.csv",
    "val_image_to_1k_label.json",
    "val.txt",
    "val_labels.npy",
    "ILSVRC2012_validation_ground_truth.txt",
)
# Original labels are among the ReaL labels of nine images in ten. In another order, or with other
# class ids, they are among those of almost no image.
_LEAST_AGREEMENT = 0.5
# The operating point of the published labels (Section 3 of the paper).
_THRESHOLD = 0.8


@dataclass(kw_only=True)
class Inputs:
    """The content that was read, None or empty if its source is missing, and the files."""

    real: RealLabels | None = None
    original: OriginalLabels | None = None
    scores: Scores | None = None
    main: RaterVotes | None = None
    golden: RaterVotes | None = None
    expert: RaterVotes | None = None
    wordnet_ids: tuple[str, ...] | None = None
    original_file: str = ""
    wordnet_file: str = "labels.txt"
    names: Mapping[int, str] = field(default_factory=dict)
    descriptions: Mapping[int, str] = field(default_factory=dict)
    clip_names: tuple[str, ...] = ()
    train_files: tuple[list[str], list[str]] | None = None
    files: list[SourceFile] = field(default_factory=list)

    @property
    def questions(self) -> Questions | None:
        """The questions, which are the same in scores.npz and raters.npz."""
        if self.scores:
            return self.scores.questions
        return self.main.questions if self.main else None


def load(
    build: Build,
    files: Mapping[str, SourceFile],
    *,
    original: Path | None = None,
    original_format: str | None = None,
    progress: Progress = silent,
) -> None:
    """Fill the tables of `build` from `files`, by canonical name.

    `original` is a file or folder of original labels, and replaces those among `files`.
    Raises DataError with file and place if a file is damaged or contradicts another.
    """
    with ThreadPoolExecutor(max_workers=1) as reader:
        # Unpacking the 377 MB of raters.npz is most of the work. Everything else runs meanwhile.
        main = (
            reader.submit(read_votes, files["raters.npz"].path, progress)
            if "raters.npz" in files
            else None
        )
        inputs = read(files, original=original, original_format=original_format)
        _fill_labels(build, inputs)
        if inputs.scores is None and main:
            _take_main_votes(inputs, files["raters.npz"], main)
        _check_golden_questions(inputs)
        _fill_images(build, inputs)
        _fill_questions(build, inputs)
        if inputs.main is None and main:
            _take_main_votes(inputs, files["raters.npz"], main)
    _check_raters(inputs)
    _compare_labels_with_scores(inputs)
    _fill_raters(build, inputs)
    _fill_votes(build, inputs)
    _fill_sources(build, inputs)


def read(
    files: Mapping[str, SourceFile],
    *,
    original: Path | None = None,
    original_format: str | None = None,
) -> Inputs:
    """Read every file except raters.npz, and check each on its own."""
    inputs = Inputs()

    def path(name: str) -> Path | None:
        if name in files:
            inputs.files.append(files[name])
            return files[name].path
        return None

    if found := path("real.json"):
        inputs.real = read_real_labels(found)
    if found := path("scores.npz"):
        inputs.scores = read_scores(found)
    if found := path("golden.npz"):
        inputs.expert = read_votes(found)
    if found := path("raters_golden.npz"):
        inputs.golden = read_votes(found)
    if found := path("fnames_clean.txt"):
        inputs.train_files = classes.read_train_files(found)
    if found := path("labels.txt"):
        inputs.wordnet_ids = classes.read_wordnet_ids(found)
    if found := path("zero_shot_metadata.py"):
        inputs.clip_names = classes.read_clip_names(found)
    devkit = classes.read_devkit_map(found) if (found := path("map_clsloc.txt")) else None
    if original is not None and (beside := original.parent / "map_clsloc.txt").is_file():
        inputs.files.append(_original_file(beside))
        devkit = classes.read_devkit_map(beside)
    _read_original(inputs, files, original, original_format, devkit)
    if inputs.wordnet_ids is None and inputs.original and inputs.original.wordnet_ids:
        inputs.wordnet_ids = inputs.original.wordnet_ids
        inputs.wordnet_file = inputs.original_file
    if inputs.wordnet_ids is None and devkit:
        inputs.wordnet_ids = tuple(sorted(devkit.values()))
        inputs.wordnet_file = "map_clsloc.txt"
    if found := path("imagenet1k_label_to_names.json"):
        inputs.names = classes.read_class_names(found)
    texts = ("imagenet_synset_to_lemma.txt", "imagenet_synset_to_definition.txt")
    if unused := [name for name in texts if name in files and not inputs.wordnet_ids]:
        warnings.warn(
            f"realdb does not use {', '.join(unused)}, because no file has the WordNet ids of the "
            "classes. Add labels.txt",
            RealdbWarning,
            stacklevel=2,
        )
    if inputs.wordnet_ids and (found := path("imagenet_synset_to_lemma.txt")):
        inputs.names = _by_class(inputs.wordnet_ids, found)
    if inputs.wordnet_ids and (found := path("imagenet_synset_to_definition.txt")):
        inputs.descriptions = _by_class(inputs.wordnet_ids, found)
    return inputs


def _read_original(
    inputs: Inputs,
    files: Mapping[str, SourceFile],
    original: Path | None,
    original_format: str | None,
    devkit: dict[int, str] | None,
) -> None:
    if original is not None:
        found = [_original_file(original)]
    else:
        found = [files[name] for name in ORIGINAL_FILES if name in files]
    for file in found:
        labels = read_original_labels(
            file.path, format=original_format, wordnet_ids=inputs.wordnet_ids, devkit=devkit
        )
        inputs.files.append(file)
        if inputs.original is None:
            inputs.original = labels
            inputs.original_file = file.name
            first = file
            _check_original(inputs, file)
        elif differs := int((inputs.original.labels != labels.labels).sum()):
            place = int(np.argmax(inputs.original.labels != labels.labels))
            raise DataError(
                f"{first.name} and {file.name} have different original labels for {differs:,} "
                f"images (first: image {place + 1}: {inputs.original.labels[place]} and "
                f"{labels.labels[place]})",
                file=file.name,
                row=place + 1,
                column="label",
                value=labels.labels[place],
                count=differs,
                parameter="original",
                remedy="Leave one of them out, or choose one with `original`",
            )


def _original_file(path: Path) -> SourceFile:
    """Describe a file of original labels. A folder tree is described by its list of names."""
    try:
        if path.is_dir():
            # Path.glob takes a second for 50,000 files.
            found = glob.glob("n*/*", root_dir=path, include_hidden=True)  # noqa: PTH207
            names = sorted(name.replace(os.sep, "/") for name in found)
            listed = "".join(f"{name}\n" for name in names).encode()
            sha256, size = hashlib.sha256(listed).hexdigest(), len(listed)
        else:
            sha256, size = checksum(path), path.stat().st_size
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror or error}", file=path, parameter="original"
        ) from None
    name = path.name or path.resolve().name
    if name in known_files() and name not in ORIGINAL_FILES:
        name += " (original labels)"  # not the file that realdb knows by this name
    return SourceFile(
        name=name,
        path=path,
        sha256=sha256,
        bytes=size,
        origin=str(path),
        is_published=sha256 in (known_files()[known].sha256 for known in ORIGINAL_FILES),
    )


def _check_original(inputs: Inputs, file: SourceFile) -> None:
    """Refuse original labels that rarely are ReaL labels: their order or class ids are wrong."""
    if inputs.real is None or inputs.original is None or not len(inputs.real.label):
        return
    agrees = inputs.original.labels[inputs.real.image_id - 1] == inputs.real.label
    share = np.count_nonzero(agrees) / np.count_nonzero(np.bincount(inputs.real.image_id))
    if share < _LEAST_AGREEMENT:
        raise DataError(
            f"{file.name}: the original labels are among the ReaL labels of only {share:.1%} of "
            "the images (about 90 % is normal). Either the images are not in the order of the "
            "file names, or the class ids are not 0-999 in the order of the sorted WordNet ids",
            file=file.name,
            column="label",
            value=f"{share:.1%}",
            parameter="original",
            remedy="Choose another file with `original`, or leave it out of the folder",
        )


def _take_main_votes(inputs: Inputs, file: SourceFile, main: Future[RaterVotes]) -> None:
    inputs.main = main.result()
    inputs.files.append(file)
    if inputs.scores:
        require_same(inputs.scores.questions, inputs.main.questions)


def _check_golden_questions(inputs: Inputs) -> None:
    """Refuse golden questions that differ between files, or are missing in the main files."""
    if inputs.golden and inputs.expert:
        require_same(inputs.expert.questions, inputs.golden.questions)
    for votes in (inputs.golden, inputs.expert):
        if votes is None:
            continue
        if inputs.questions is None:
            raise DataError(
                f"{votes.path.name} needs scores.npz or raters.npz, which have all questions; it "
                "has only some of them",
                file=votes.path.name,
                count=len(votes.questions),
                remedy=f"Add one of the two, or leave {votes.path.name} out",
            )
        known = inputs.questions.has(votes.questions.keys)
        if not known.all():
            place = int(np.argmin(known))
            raise DataError(
                f"{votes.path.name}: {np.count_nonzero(~known):,} of its {len(known):,} questions "
                f"are missing in {inputs.questions.path.name} (first: image "
                f"{votes.questions.image_id[place]}, label {votes.questions.label[place]} in row "
                f"{place} of info)",
                file=votes.path.name,
                row=place,
                column="info",
                count=int(np.count_nonzero(~known)),
                remedy="Download both files again",
            )


def _check_raters(inputs: Inputs) -> None:
    """Refuse files whose raters contradict each other, because they may be swapped."""
    if inputs.golden and inputs.main:
        unknown = np.setdiff1d(inputs.golden.rater_ids, inputs.main.rater_ids)
        if unknown.size:
            raise DataError(
                f"{inputs.golden.path.name}: {unknown.size} raters are missing in "
                f"{inputs.main.path.name} (first: {unknown[0]})",
                file=inputs.golden.path.name,
                column="ids",
                value=unknown[0],
                count=unknown.size,
                remedy="Check that no two of the .npz files are swapped",
            )
    for votes in (inputs.main, inputs.golden):
        if votes and inputs.expert:
            both = np.intersect1d(votes.rater_ids, inputs.expert.rater_ids)
            if both.size:
                raise DataError(
                    f"{both.size} experts of {inputs.expert.path.name} are also raters of "
                    f"{votes.path.name} (first: {both[0]})",
                    file=inputs.expert.path.name,
                    column="ids",
                    value=both[0],
                    count=both.size,
                    remedy="Check that no two of the .npz files are swapped",
                )


def _compare_labels_with_scores(inputs: Inputs) -> None:
    """Warn if real.json does not follow from scores.npz and the original labels.

    An image's list has the questions with score >= 0.8, or the original label if it is unrated.
    """
    if inputs.real is None or inputs.scores is None:
        return
    questions = inputs.scores.questions
    # The view labels_at compares scores in the same way.
    kept = questions.keys[inputs.scores.score.round(12) >= round(_THRESHOLD, 12)]
    is_rated = np.zeros(IMAGES + 1, np.bool_)
    is_rated[questions.image_id] = True
    if inputs.original:
        unrated = np.flatnonzero(~is_rated[1:])
        kept = np.concatenate([kept, (unrated + 1) * 1000 + inputs.original.labels[unrated]])
    keys = inputs.real.image_id.astype(np.int64) * 1000 + inputs.real.label
    if inputs.original is None:
        keys = keys[is_rated[inputs.real.image_id]]
    differs = np.unique(np.setxor1d(kept, keys) // 1000)
    if differs.size:
        warnings.warn(
            f"real.json has other labels than scores.npz on {differs.size:,} images (first: image "
            f"{differs[0]}). Compared with: labels with a score of at least {_THRESHOLD}, and the "
            "original label for unrated images",
            RealdbWarning,
            stacklevel=2,
        )


def _fill_labels(build: Build, inputs: Inputs) -> None:
    """Fill the tables that depend on no other table."""
    if inputs.real:
        order = np.lexsort((inputs.real.label, inputs.real.image_id))
        with build.table("labels") as con:
            _insert(
                con,
                "insert into labels select image_id, label, position from input_rows",
                image_id=inputs.real.image_id[order],
                label=inputs.real.label[order],
                position=inputs.real.position[order],
            )
    if inputs.wordnet_ids or inputs.names:
        with build.table("classes") as con:
            con.execute(
                """
                insert into classes
                select
                    label,
                    $wordnet_ids[label + 1] as wordnet_id,
                    $names[label + 1] as name,
                    $descriptions[label + 1] as description,
                    label < 398 as is_animal
                from (select cast(i as smallint) as label from range(1000) as r(i))
                order by label
                """,
                {
                    "wordnet_ids": list(inputs.wordnet_ids or [None] * 1000),
                    "names": [inputs.names.get(label) for label in range(1000)],
                    "descriptions": [inputs.descriptions.get(label) for label in range(1000)],
                },
            )
    if inputs.clip_names:
        with build.table("class_names") as con:
            con.execute(
                """
                insert into class_names
                select 'clip' as list, label, $names[label + 1] as name
                from (select cast(i as smallint) as label from range(1000) as r(i))
                order by label
                """,
                {"names": list(inputs.clip_names)},
            )
    if inputs.scores:
        questions = inputs.scores.questions
        order = np.argsort(questions.keys)
        with build.table("scores") as con:
            _insert(
                con,
                "insert into scores select image_id, label, score from input_rows",
                image_id=questions.image_id[order],
                label=questions.label[order],
                score=inputs.scores.score[order],
            )
    if inputs.train_files:
        with build.table("train_files") as con:
            con.execute(
                """
                insert into train_files
                select file_name, wordnet_id, position
                from (
                    select
                        unnest($file_names) as file_name,
                        unnest($wordnet_ids) as wordnet_id,
                        generate_subscripts($file_names, 1) - 1 as position
                )
                order by file_name
                """,
                {"file_names": inputs.train_files[0], "wordnet_ids": inputs.train_files[1]},
            )


def _fill_images(build: Build, inputs: Inputs) -> None:
    """Fill the table images with all 50,000 images."""
    # NumPy's integers have no NULL, so -1 marks it.
    original_label = inputs.original.labels if inputs.original else np.full(IMAGES, -1, np.int16)
    is_rated = np.full(IMAGES, -1, np.int8)
    if inputs.questions is not None:
        is_rated[:] = 0
        is_rated[inputs.questions.image_id - 1] = 1
    with build.table("images") as con:
        _insert(
            con,
            """
            insert into images
            select
                image_id,
                format('ILSVRC2012_val_{:08d}.JPEG', image_id) as file_name,
                nullif(original_label, -1) as original_label,
                cast(nullif(is_rated, -1) as boolean) as is_rated
            from input_rows
            """,
            image_id=np.arange(1, IMAGES + 1, dtype=np.int32),
            original_label=original_label,
            is_rated=is_rated,
        )


def _fill_questions(build: Build, inputs: Inputs) -> None:
    questions = inputs.questions
    if questions is None:
        return
    order = np.argsort(questions.keys)
    golden_position = np.full(len(questions), -1, np.int32)
    if asked := inputs.expert or inputs.golden:
        places = order[np.searchsorted(questions.keys[order], asked.questions.keys)]
        golden_position[places] = np.arange(len(places), dtype=np.int32)
    with build.table("questions") as con:
        _insert(
            con,
            """
            insert into questions
            select image_id, label, position, nullif(golden_position, -1) as golden_position
            from input_rows
            """,
            image_id=questions.image_id[order],
            label=questions.label[order],
            position=order.astype(np.int32),
            golden_position=golden_position[order],
        )


def _fill_raters(build: Build, inputs: Inputs) -> None:
    main, golden, expert = (
        {int(rater_id): place for place, rater_id in enumerate(votes.rater_ids)} if votes else {}
        for votes in (inputs.main, inputs.golden, inputs.expert)
    )
    rows = [
        {
            "rater_id": rater_id,
            "position": expert.get(rater_id, main.get(rater_id)),
            "is_expert": rater_id in expert,
            "answered_golden": (
                True if rater_id in expert else rater_id in golden if inputs.golden else None
            ),
            "golden_position": golden.get(rater_id),
        }
        for rater_id in sorted({*main, *golden, *expert})
    ]
    if not rows:
        return
    with build.table("raters") as con:
        con.execute(
            """
            insert into raters
            select
                unnest($rater_id), unnest($position), unnest($is_expert),
                unnest($answered_golden), unnest($golden_position)
            """,
            {name: [row[name] for row in rows] for name in rows[0]},
        )


def _fill_votes(build: Build, inputs: Inputs) -> None:
    # In the order of the key, which begins with the round's name.
    rounds = {"expert": inputs.expert, "golden": inputs.golden, "main": inputs.main}
    if any(rounds.values()):
        with build.table("votes") as con:
            for name, votes in rounds.items():
                if votes:
                    _fill_round(con, name, votes)


def _fill_round(con: duckdb.DuckDBPyConnection, name: str, votes: RaterVotes) -> None:
    """Insert the answers of one round, sorted by image, label and rater.

    Each answer is packed into one number, because sorting numbers is fast and needs little memory.
    """
    order = np.argsort(votes.questions.keys)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    packed = rank[votes.question]
    packed <<= 16
    packed |= votes.rater_ids[votes.rater]
    packed <<= 2
    packed |= votes.answer
    packed.sort()
    question = order[packed >> 18]
    _insert(
        con,
        """
        insert into votes
        select $round, image_id, label, rater_id, $answers[answer + 1] from input_rows
        """,
        {"round": name, "answers": list(ANSWERS)},
        image_id=votes.questions.image_id[question],
        label=votes.questions.label[question],
        rater_id=(packed >> 2 & 0xFFFF).astype(np.int16),
        answer=(packed & 3).astype(np.int8),
    )


def _fill_sources(build: Build, inputs: Inputs) -> None:
    files = sorted(inputs.files, key=lambda file: file.name)
    with build.table("sources") as con:
        con.execute(
            """
            insert into sources
            select
                unnest($name), unnest($sha256), unnest($bytes), unnest($tables), unnest($origin),
                unnest($is_published), $read_at
            """,
            {
                "name": [file.name for file in files],
                "sha256": [file.sha256 for file in files],
                "bytes": [file.bytes for file in files],
                "tables": [", ".join(_tables_of(file.name, inputs, build)) for file in files],
                "origin": [file.origin for file in files],
                "is_published": [file.is_published for file in files],
                "read_at": datetime.now(UTC).replace(microsecond=0, tzinfo=None),
            },
        )


def _tables_of(file_name: str, inputs: Inputs, build: Build) -> list[str]:
    """Return the tables that a file fills: also `classes` if it provided their WordNet ids."""
    tables = feeds(file_name, build.tables)
    gave_ids = file_name == inputs.wordnet_file and "classes" in build.tables
    return tables + ["classes"] * (gave_ids and "classes" not in tables)


def feeds(file_name: str, tables: Collection[str]) -> list[str]:
    """Return which of `tables` the file fills."""
    known = known_files()
    # The user passed a file of another name as the original labels.
    fed = known[file_name].feeds if file_name in known else ("images.original_label",)
    return [table for feed in fed if (table := feed.partition(".")[0]) in tables]


def _insert(
    con: duckdb.DuckDBPyConnection,
    statement: str,
    parameters: dict[str, object] | None = None,
    **columns: npt.NDArray[Any],
) -> None:
    """Run an insert that reads NumPy columns as the table `input_rows`."""
    con.register("input_rows", columns)
    con.execute(statement, parameters or {})
    con.unregister("input_rows")


def _by_class(wordnet_ids: tuple[str, ...], path: Path) -> dict[int, str]:
    """Read the text of each class. Raises DataError if a class has none."""
    texts = classes.read_wordnet_texts(path)
    absent = [wordnet_id for wordnet_id in wordnet_ids if wordnet_id not in texts]
    if absent:
        raise refusal(
            path,
            f"{len(absent):,} of the {len(wordnet_ids):,} classes are missing (first: "
            f"{absent[0]}). The file is cut short, or it is another file",
            column="label",
            value=absent[0],
            count=len(absent),
        )
    return {label: texts[wordnet_id] for label, wordnet_id in enumerate(wordnet_ids)}
