"""The pages over a store of generated files, with label sets, models and a few pictures."""

from __future__ import annotations

import shutil
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import realdb
from browse_pages import MARKUP
from needs import needs
from realdb.schema.tables import LABEL_SET_TABLES, create_table
from realdb.store import label_sets
from realdb.store import store as stores
from realdb.store.store import Store

# The images with a picture: flat, in a class folder, too large, no picture, and cut short.
FLAT, IN_A_FOLDER, BOMB, NO_PICTURE, CUT = (1, 2, 3), 4, 5, 6, 7
SQL_LIMIT = 4.0


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the cache of all tests. The tables of one store are prepared once."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REALDB_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def pages_store(
    synthetic_store: Store, synthetic: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the root of a store with three models, two label sets and a grouping."""
    folder = tmp_path_factory.mktemp("pages")
    without = shutil.ignore_patterns("realdb.duckdb")
    root = Path(shutil.copytree(synthetic_store.root, folder / "store", ignore=without))
    for name in ("model_a", "model_b"):
        realdb.add(synthetic / "predictions" / f"{name}.csv", store=root)
    # Two ranks with logits for a hundred images.
    rows = [
        f"{n},{rank},{(7 * n + rank) % 1000},{9 - rank}" for n in range(1, 101) for rank in (1, 2)
    ]
    (folder / "few.csv").write_text("\n".join(["image,rank,label,logit", *rows, ""]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", realdb.RealdbWarning)  # it covers few images
        realdb.add(folder / "few.csv", model=MARKUP, store=root)
    _add_label_sets(root)
    (folder / "light.csv").write_text("image,group\n1,dark\n2,dark\n3,bright\n")
    realdb.add_groups(folder / "light.csv", store=root)
    return root


def _add_label_sets(root: Path) -> None:
    for name in ("mine", MARKUP):
        con = stores.new_connection()
        for table in LABEL_SET_TABLES:
            create_table(con, table)
        con.execute(
            "insert into stored_label_sets values ($1, $1, 'MIT', null, 'x', null, 90, now())",
            [name],
        )
        images = resolved_images(root)
        verdicts = ("correct", "wrong", "unclear")
        for image_id, original in images:
            label = original if image_id % 4 else (original + 1) % 1000
            con.execute(
                "insert into stored_assessments values ($1, $2, $3, $4, 0.5)",
                [name, image_id, label, verdicts[image_id % 3]],
            )
        con.execute(
            "insert into image_flags select $1, range, 'blurry', null from range(1, 20)", [name]
        )
        con.execute(
            "insert into image_flags select $1, range, 'category', $2 from range(1, 10)",
            [name, "<b>odd</b>=1"],
        )
        label_sets.put(root, con, name)


def resolved_images(root: Path) -> list[tuple[int, int]]:
    found = realdb.query(
        "select image_id, original_label from images where image_id <= 90 order by image_id",
        store=root,
    )
    return found.fetchall()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with pictures, and with files that are none."""
    image = needs("PIL.Image")
    folder = tmp_path_factory.mktemp("pictures")
    for image_id in FLAT:
        image.new("RGB", (400, 300), (image_id * 40, 90, 120)).save(_file(folder, image_id), "JPEG")
    (folder / "n01440764").mkdir()
    # An original file is a PNG, and one is in CMYK.
    image.new("CMYK", (300, 400)).save(_file(folder / "n01440764", IN_A_FOLDER), "JPEG")
    # 900 megapixels in 1 MB.
    image.MAX_IMAGE_PIXELS, most = None, image.MAX_IMAGE_PIXELS
    image.new("1", (30_000, 30_000)).save(_file(folder, BOMB), "PNG")
    image.MAX_IMAGE_PIXELS = most
    _file(folder, NO_PICTURE).write_text("<script>alert(1)</script>")
    _file(folder, CUT).write_bytes(_file(folder, FLAT[0]).read_bytes()[:500])
    (folder / "secret.txt").write_text("a secret")
    return folder


def _file(folder: Path, image_id: int) -> Path:
    return folder / f"ILSVRC2012_val_{image_id:08d}.JPEG"


@pytest.fixture(scope="session")
def server(cache: Path, pages_store: Path, pictures: Path) -> Iterator[Any]:
    """Return a server that does not serve yet."""
    assert cache.is_dir()
    for module in ("starlette", "uvicorn", "jinja2", "PIL"):
        needs(module)
    from realdb.browse.server import Server

    made = Server(store=pages_store, images=pictures, port=0, sql_limit=SQL_LIMIT)
    made._pictures.wait()
    yield made
    made.close()


@pytest.fixture(scope="session")
def client(server: Any) -> Any:
    """Return a client that asks the application without a network."""
    needs("httpx")
    return needs("starlette.testclient").TestClient(server.app, base_url=server.address)


@pytest.fixture(scope="session")
def address(cache: Path, pages_store: Path, pictures: Path) -> Iterator[str]:
    """Return the address of a server that serves, without a slash at its end."""
    assert cache.is_dir()
    needs("uvicorn")
    from realdb.browse.server import Server

    made = Server(store=pages_store, images=pictures, port=0, sql_limit=SQL_LIMIT)
    made._pictures.wait()
    thread = threading.Thread(target=made.serve)
    thread.start()
    yield made.address.rstrip("/")
    made.stop()
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture(scope="session")
def tables(server: Any) -> Any:
    """Return the prepared tables."""
    return server._watch.current
