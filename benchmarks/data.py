"""Generate the data of the benchmarks: predictions of many models, with fixed seeds.

    python -m benchmarks.data FOLDER [MODELS]

writes FOLDER/models/model_0000.parquet and so on, one for each model, in the format of the store.
FOLDER/all.parquet has all of them: 1,000 models are 50 million rows. The rows are a model's
predictions with noise. The model is a real one in REALDB_TEST_DATA, or in a folder `shared` beside
the checkout. Without these files it is one of `realdb.ingest.synthetic`.
"""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

IMAGES = 50_000
CLASSES = 1_000
_CHECKOUT = Path(__file__).resolve().parent.parent
# The types of the table `predictions`, in its order.
_COPY = """
copy (
    select
        $model as model,
        image_id::integer as image_id,
        rank::smallint as rank,
        label::smallint as label,
        confidence::double as confidence
    from given
) to '{path}' (format parquet, compression zstd)
"""


def real_files() -> Path | None:
    """Return the folder with the real `upstream/` and `predictions/`, or None."""
    folder = Path(os.environ.get("REALDB_TEST_DATA") or _CHECKOUT.parent / "shared")
    return folder if (folder / "upstream" / "real.json").is_file() else None


def files(folder: Path) -> Path:
    """Return the folder with `upstream/` and `predictions/`: the real one, else `folder`."""
    real = real_files()
    if real is None:
        if not (folder / "predictions").is_dir():
            from realdb.ingest.synthetic import write_synthetic

            # Generate about as many questions as upstream has.
            write_synthetic(folder / "upstream", rated_images=23_000, raters=85, golden_raters=78)
            (folder / "upstream" / "predictions").rename(folder / "predictions")
        real = folder
    return real


def predictions(files: Path) -> Path:
    """Return the predictions for the benchmarks, a CSV in the format of ImageNet-X."""
    return sorted((files / "predictions").glob("*.csv"))[-1]


def classes(path: Path) -> NDArray[np.int64]:
    """Return the predicted classes in such a CSV, int64 (50000,), image 1 first."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = sorted(csv.reader(file))[:IMAGES]  # the header sorts after ILSVRC2012_val_...
    import numpy as np

    return np.array([int(label) for _, label, *_ in rows])


def choices(base: NDArray[np.int64], model: int, ranks: int = 1) -> dict[str, NDArray[Any]]:
    """Return the rows of a generated model, by image and rank: `base` with noise.

    The noise depends only on the number of the model. Up to half of its first choices are replaced
    by a random class. Most of the replaced classes get one of the later ranks.
    """
    import numpy as np

    rng = np.random.default_rng([0, model])
    is_noise = rng.random(IMAGES) < rng.uniform(0, 0.5)
    first = np.where(is_noise, rng.integers(0, CLASSES, IMAGES), base)
    # Up to five steps of less than a fifth of the classes do not repeat a class.
    step = rng.integers(1, CLASSES // 5, IMAGES)
    rank = np.arange(ranks)
    labels = (first[:, None] + step[:, None] * rank) % CLASSES
    confidence = rng.random(IMAGES)[:, None] * 0.5**rank
    if ranks > 1:
        is_later = (rng.random(IMAGES) < 0.7) & ~(labels == base[:, None]).any(axis=1)
        labels[is_later, rng.integers(1, ranks, IMAGES)[is_later]] = base[is_later]
    return {
        "image_id": np.repeat(np.arange(1, IMAGES + 1), ranks),
        "rank": np.tile(rank + 1, IMAGES),
        "label": labels.ravel(),
        "confidence": confidence.astype(np.float32).ravel(),
    }


def write_models(folder: Path, like: Path, models: int, ranks: int = 1) -> None:
    """Write a Parquet file for each model, if it does not exist: `like` with noise."""
    import duckdb

    folder.mkdir(parents=True, exist_ok=True)
    base = classes(like)
    with duckdb.connect() as con:
        for model in range(models):
            path = folder / f"model_{model:04d}.parquet"
            if path.exists():
                continue
            con.register("given", choices(base, model, ranks))
            aside = path.with_suffix(".partial")
            con.execute(_COPY.format(path=aside), {"model": path.stem})
            aside.rename(path)


def write_one(path: Path, folder: Path, models: int) -> None:
    """Write the rows of the first `models` files of `folder` to one, if it does not exist."""
    import duckdb

    if not path.exists():
        files = [str(file) for file in sorted(folder.glob("*.parquet"))[:models]]
        aside = path.with_suffix(".partial")
        with duckdb.connect() as con:
            con.read_parquet(files).write_parquet(str(aside), compression="zstd")
        aside.rename(path)


def write_parquet(path: Path, like: Path) -> None:
    """Write the predictions in the CSV `like` as Parquet."""
    import duckdb

    if not path.exists():
        duckdb.read_csv(str(like)).write_parquet(str(path), compression="zstd")


def write_logits(path: Path, like: Path) -> None:
    """Write 200 MB of noise, float32 (50000, 1000), with the first choices of the CSV `like`."""
    import numpy as np

    if not path.exists():
        logits = np.random.default_rng(0).standard_normal((IMAGES, CLASSES), dtype=np.float32)
        logits[np.arange(IMAGES), classes(like)] += 12
        np.save(path, logits)


def main() -> None:
    """Write the folder in the command line."""
    folder, models = Path(sys.argv[1]), int((*sys.argv, "1000")[2])
    write_models(folder / "models", predictions(files(folder)), models)
    write_one(folder / "all.parquet", folder / "models", models)


if __name__ == "__main__":
    main()
