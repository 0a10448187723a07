"""Commands with --engine: the same results as without, and the refusals."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

import realdb
from needs import needs, needs_spark
from realdb.api import describe
from realdb.api import spark as engines
from realdb.api.rules import Rules
from realdb.errors import DataError, QueryError, RealdbError, UsageError
from realdb.queries import catalog
from realdb.schema.tables import TABLES, create_table
from realdb.store.store import Store
from refusals import refused

Query = Callable[..., duckdb.DuckDBPyRelation]


@pytest.fixture(scope="module")
def stored(
    synthetic_store: Store, synthetic: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return a store that holds two models."""
    root = tmp_path_factory.mktemp("with models") / "store"
    shutil.copytree(synthetic_store.root, root)
    realdb.add(*sorted((synthetic / "predictions").glob("*.csv")), store=root)
    return root


@pytest.fixture(scope="module")
def models(stored: Path) -> list[Path]:
    """Return the two models' Parquet files, as the store keeps them."""
    return sorted((stored / "predictions").glob("*.parquet"))


def rows(found: duckdb.DuckDBPyRelation) -> list[tuple[Any, ...]]:
    return sorted(found.fetchall(), key=lambda row: tuple((x is None, str(x)) for x in row[:2]))


def same(found: duckdb.DuckDBPyRelation, expected: duckdb.DuckDBPyRelation) -> None:
    """Compare columns and rows; a share may differ in its last digit."""
    assert found.columns == expected.columns
    mine, theirs = rows(found), rows(expected)
    assert theirs
    assert len(mine) == len(theirs)
    for row, other in zip(mine, theirs, strict=True):
        for a, b in zip(row, other, strict=True):
            assert a == b or math.isclose(a, b, abs_tol=1e-12), (row, other)


@pytest.mark.parametrize("by", [None, "class", "label-count", "animal"])
@pytest.mark.parametrize("empty", ["skip", "wrong", "original"])
def test_accuracy(
    stored: Path, models: list[Path], sail_address: str, by: str | None, empty: str
) -> None:
    asked = {"by": by, "empty": empty, "store": stored}
    same(
        realdb.accuracy_table(*models, engine=sail_address, **asked),
        realdb.accuracy_table(*models, **asked),
    )


@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
def test_accuracy_at_a_threshold(
    stored: Path, models: list[Path], sail_address: str, threshold: float
) -> None:
    pattern = f"{models[0].parent}/*.parquet"
    same(
        realdb.accuracy_table(pattern, engine=sail_address, threshold=threshold, store=stored),
        realdb.accuracy_table(pattern, threshold=threshold, store=stored),
    )


@pytest.mark.filterwarnings("ignore:the rank intervals are omitted:realdb.RealdbWarning")
@pytest.mark.parametrize(
    "rules",
    [
        {"labels": "original"},
        {"labels": "real@0.5"},
        {"labels": "consensus:2:real@0.5,original", "empty": "wrong"},
        {"labels": "any:real,original", "average": "class"},
        {"average": "class", "empty": "wrong"},
        {"match": "kinds", "empty": "original"},
        {"labels": "original", "by": "class"},
        {"labels": "original", "by": "kinds"},
        {"by": "kinds", "empty": "wrong"},
    ],
    ids=str,
)
def test_accuracy_by_other_labels(
    stored: Path, models: list[Path], sail_address: str, tmp_path: Path, rules: dict[str, str]
) -> None:
    groups = tmp_path / "kinds.csv"
    groups.write_text("label,group\n" + "".join(f"{n},{n % 7}\n" for n in range(1000)))
    realdb.add_groups(groups, store=stored)
    same(
        realdb.accuracy_table(*models, engine=sail_address, store=stored, **rules),
        realdb.accuracy_table(*models, store=stored, **rules),
    )
    if "by" not in rules:
        same(
            realdb.leaderboard(*models, engine=sail_address, store=stored, **rules),
            realdb.leaderboard(*models, store=stored, **rules),
        )


def test_queries_by_other_labels(stored: Path, models: list[Path], sail_address: str) -> None:
    query = "select model, correct_images, scored_images from accuracy"
    asked: dict[str, str | Path] = {"labels": "original", "store": stored}
    same(
        realdb.query(query, *models, engine=sail_address, **asked),
        realdb.query(query, *models, **asked),
    )
    with refused(QueryError, parameter="labels", value="unasked_counts"):
        realdb.query("from unasked_counts", *models, engine=sail_address, **asked)


def test_accuracy_by_other_scores(
    stored: Path, models: list[Path], sail_address: str, tmp_path: Path
) -> None:
    scores = tmp_path / "majority.parquet"
    realdb.scores(method="majority", out=scores, store=stored)
    same(
        realdb.accuracy_table(models[0], engine=sail_address, scores=scores, store=stored),
        realdb.accuracy_table(models[0], scores=scores, store=stored),
    )


def test_leaderboard(stored: Path, models: list[Path], sail_address: str) -> None:
    expected = realdb.leaderboard(store=stored)
    found = realdb.leaderboard(engine=sail_address, store=stored)
    same(found, expected)
    assert [row[0] for row in found.fetchall()] == [row[0] for row in expected.fetchall()]
    same(realdb.leaderboard(*models, engine=sail_address, store=stored), expected)


@pytest.mark.parametrize(
    "query",
    [
        "select model, real_rank, real_accuracy from leaderboard",
        "select kind.is_animal, count(*) as images from images join classes as kind "
        "on images.original_label = kind.label group by kind.is_animal",
        "select label, count(*) as said from predictions group by label having count(*) > 40",
        "from pipeline_rules",
        "from labels_at(0.5)",
        "select a.image_id, b.label from labels_at(0.2) as a join labels_at(threshold := 1) as b "
        "on a.image_id = b.image_id and a.label = b.label where a.position < 2",
        "with few as (select * from recomputed_labels_if(golden_majority := 4, smoothing := 0.5, "
        "left_out_raters := [0, 1])) select count(*) as n, max(image_id) as last from few",
        "select e.answer, count(*) as n, sum(e.log_likelihood_ratio) as whole from "
        "rater_evidence_if(maybe_as := 'no') as e group by e.answer",
        "select count(*) as n from (from Labels_At(0.9) union all from labels)",
    ],
)
def test_sql(stored: Path, sail_address: str, query: str) -> None:
    same(
        realdb.query(query, engine=sail_address, store=stored),
        realdb.query(query, store=stored),
    )


def test_sql_at_a_threshold(stored: Path, sail_address: str) -> None:
    query = "select label_count, count(*) as images from image_labels group by label_count"
    same(
        realdb.query(query, engine=sail_address, threshold=0.5, store=stored),
        realdb.query(query, threshold=0.5, store=stored),
    )


def test_sql_knows_a_file_by_its_stem(
    synthetic_store: Store, models: list[Path], sail_address: str, tmp_path: Path
) -> None:
    file = Path(shutil.copy(models[0], tmp_path / "ViT-B.parquet"))
    asked = ('select count(*) as n, min(label) as least from "ViT-B"', file)
    store = synthetic_store.root
    same(realdb.query(*asked, engine=sail_address, store=store), realdb.query(*asked, store=store))


def test_files_at_s3(stored: Path, models: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine reads s3:// itself, here with a server and credentials of the test's."""
    needs("pyspark")
    sail = needs("pysail.spark")
    boto3 = needs("boto3")
    storage = needs("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    storage.start()
    url = "http://{}:{}".format(*storage.get_host_and_port())
    for name, value in {
        "AWS_ACCESS_KEY_ID": "name",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT": url,
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
    client.create_bucket(Bucket="of-an-engine")
    for file in models:
        client.upload_file(str(file), "of-an-engine", f"folder/{file.name}")
    client.close()
    server = sail.SparkConnectServer()
    server.start(background=True)
    address = f"sc://127.0.0.1:{server.listening_address[1]}"
    try:
        found = realdb.leaderboard(
            "s3://of-an-engine/folder/*.parquet", engine=address, store=stored
        )
        same(found, realdb.leaderboard(store=stored))
        none = "s3://of-an-engine/none.parquet"
        with refused(DataError, address, file=none):
            realdb.leaderboard(none, engine=address, store=stored)
    finally:
        server.stop()
        storage.stop()


@pytest.mark.spark
def test_on_spark_itself(stored: Path, models: list[Path], spark: engines.SparkSession) -> None:
    same(
        realdb.accuracy_table(*models, engine=spark.name, empty="wrong", store=stored),
        realdb.accuracy_table(*models, empty="wrong", store=stored),
    )
    with refused(UsageError, spark.name, parameter="engine", value="local[1]"):
        realdb.leaderboard(engine="local[1]", store=stored)


@pytest.fixture
def spark_connect(tmp_path: Path) -> Iterator[str]:
    """Yield the address of a Spark Connect server, Spark's own."""
    pyspark = needs_spark()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.sql.warehouse.dir": str(tmp_path / "warehouse"),
        "spark.ui.enabled": "false",
    }
    home = Path(pyspark.__file__).parent
    command = [home / "bin" / "spark-submit", "--master", "local[2]"]
    command += [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
    command += ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "connect"]
    log = tmp_path / "server.log"
    with log.open("wb") as said:
        server = subprocess.Popen(
            command,
            cwd=tmp_path,
            stdout=said,
            stderr=said,
            env={**os.environ, "SPARK_HOME": str(home)},
        )
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert server.poll() is None, log.read_text()
            time.sleep(0.1)
        yield f"sc://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(60)


@pytest.mark.spark
def test_on_spark_connect_itself(stored: Path, models: list[Path], spark_connect: str) -> None:
    same(
        realdb.accuracy_table(*models, engine=spark_connect, by="class", store=stored),
        realdb.accuracy_table(*models, by="class", store=stored),
    )
    query = "select model, count(*) as n from scored_choices where is_real_correct group by model"
    same(realdb.query(query, engine=spark_connect, store=stored), realdb.query(query, store=stored))


@pytest.mark.spark
def test_the_predictions_are_not_shuffled(
    stored: Path, models: list[Path], spark: engines.SparkSession, tmp_path: Path
) -> None:
    """The labels are copied to each worker; of the predictions only partial counts are shuffled."""
    first = tmp_path / "first choices.parquet"
    duckdb.read_parquet(str(models[0])).filter("rank = 1").write_parquet(str(first))
    asked = engines.judging(spark.name, [first], ["accuracy"], rules=Rules(), store=stored)
    with asked as session:
        plan = session.spark.table("accuracy")._jdf.queryExecution().executedPlan().toString()
    assert "BroadcastHashJoin [image_id" in plan
    assert "SortMergeJoin" not in plan
    shuffled = {
        line.split("Exchange hashpartitioning(")[1].split("#")[0]
        for line in plan.splitlines()
        if "Exchange hashpartitioning(" in line
    }
    assert {"model"} <= shuffled <= {"model", "image_id"}


# Refusals.


@pytest.mark.parametrize("address", ["", "here", "local[0]", "local[a]", "http://x:1", "yarn"])
def test_no_engine_is_guessed(address: str) -> None:
    with (
        refused(UsageError, "spark://HOST:PORT", "local[N]", parameter="engine", value=address),
        engines.connect(address),
    ):
        pass


def test_an_unreachable_engine_is_refused_quickly() -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    for scheme in ("sc", "spark"):
        with (
            refused(DataError, parameter="engine", value=f"{scheme}://127.0.0.1:{port}"),
            engines.connect(f"{scheme}://127.0.0.1:{port}"),
        ):
            pass
    with (
        refused(UsageError, "sc://HOST:PORT", parameter="engine", value="sc://host:many"),
        engines.connect("sc://host:many"),
    ):
        pass


def test_missing_pyspark_is_one_message(sail_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql.connect.session", None)
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    for address in (sail_address, "local[1]"):
        with (
            refused(UsageError, "pip install 'realdb[spark]'", parameter="engine"),
            engines.connect(address),
        ):
            pass


@contextlib.contextmanager
def one_line(kind: type[RealdbError], *facts: object, **fields: object) -> Iterator[None]:
    """Expect an error as `refused` does, with a text of one line."""
    with refused(kind, *facts, **fields):
        try:
            yield
        except kind as error:
            assert "\n" not in str(error)
            raise


# The columns that an engine needs, which a remedy names.
READS = "model, image_id, rank, label"


def test_other_files_are_refused(stored: Path, sail_address: str, tmp_path: Path) -> None:
    def ask(*files: object, **more: Any) -> None:
        realdb.accuracy_table(*files, store=stored, engine=sail_address, **more)

    for file in ("ViT.csv", "-", "logits.npy", "s3://bucket/ViT.csv"):
        with one_line(DataError, READS, file=file, value=None):
            ask(file)
    with one_line(DataError, READS, "model=NAME", file="out/model=ViT/0.parquet"):
        ask("out/model=ViT/0.parquet")
    with one_line(UsageError, READS, value="dict"):
        ask({"a.JPEG": 3})
    with one_line(UsageError, READS, parameter="columns"):
        ask("a.parquet", columns={"image": "a"})
    none = tmp_path / "none.parquet"
    with one_line(DataError, READS, sail_address, file=none):
        ask(none)


@pytest.mark.parametrize(
    ("change", "column", "kind"),
    [
        ("exclude (rank)", "rank", ""),
        ("replace (label::double as label)", "label", "double"),
        ("replace (3 as model)", "model", "integer"),
    ],
)
def test_files_with_other_columns_are_refused(
    stored: Path,
    models: list[Path],
    sail_address: str,
    tmp_path: Path,
    change: str,
    column: str,
    kind: str,
) -> None:
    file = tmp_path / "other.parquet"
    duckdb.sql(f"select * {change} from '{models[0]}'").write_parquet(str(file))
    with one_line(DataError, READS, kind, file=file, column=column):
        realdb.accuracy_table(file, store=stored, engine=sail_address)


@pytest.mark.parametrize(
    ("rows", "fact", "fields"),
    [
        ("select * replace (50001 as image_id) from one where image_id = 7", "1-50000", {}),
        ("select * replace (1000 as label) from one where image_id = 7", "0-999", {"count": 1}),
        (
            "select * replace ('nan'::double as confidence) from one where image_id in (7, 8)",
            "NaN",
            {"count": 2},
        ),
        (
            "select * replace (null as label) from one where image_id in (7, 8, 9)",
            "model, image, rank",
            {"count": 3},
        ),
        ("from one where image_id < 5", " 4 ", {"count": 4}),
    ],
    ids=["image", "label", "NaN", "null", "twice"],
)
def test_invalid_predictions_are_refused(
    stored: Path,
    models: list[Path],
    sail_address: str,
    tmp_path: Path,
    rows: str,
    fact: str,
    fields: dict[str, Any],
) -> None:
    one = duckdb.read_parquet(str(models[0])).filter(
        "rank = 1 and image_id not in (7, 8, 9, 50000)"
    )
    all_of_it = duckdb.read_parquet(str(models[0]))
    con = duckdb.connect()
    con.register("kept", one.to_arrow_table())
    con.register("one", all_of_it.filter("rank = 1").to_arrow_table())
    file = tmp_path / "faulty.parquet"
    con.sql(f"from kept union all ({rows})").write_parquet(str(file))
    fields = {"column": "model", "value": "model_a", **fields}
    with one_line(DataError, "realdb add", fact, **fields):
        realdb.accuracy_table(file, store=stored, engine=sail_address)


@pytest.mark.parametrize(
    ("query", "facts", "fields"),
    [
        ("select 1.0 / 3 as x", ["1.0", "cast(1.0 as double)"], {"value": None}),
        ("select median(score) from scores", ["MEDIAN(score)", "row_number"], {"value": None}),
        ("select * from labels_at()", [" threshold"], {"value": "labels_at"}),
        ("select * from labels_at(cut := 0.5)", [" threshold"], {"value": "labels_at"}),
        ("select * from labels_at(0.5, 1)", [" threshold"], {"value": "labels_at"}),
        (
            "select * from recomputed_labels_if(golden := 4)",
            ["golden_majority, original_majority"],
            {"value": "recomputed_labels_if"},
        ),
        (
            "select * from accuracy_if(golden_majority := 4)",
            [" accuracy_moves_if"],
            {"value": "accuracy_if"},
        ),
        (
            "select r.range from range(3) as r",
            ["DuckDB"],
            {"value": "RANGE(0, 3)", "parameter": "engine"},
        ),
        ("select * from acuracy", [" accuracy"], {"value": "acuracy"}),
        ("select nothing from labels", ["sc://", "nothing"], {"value": None}),
        ("drop table labels", ["SELECT"], {"count": 1}),
    ],
)
def test_queries_are_refused(
    stored: Path, sail_address: str, query: str, facts: list[str], fields: dict[str, Any]
) -> None:
    with one_line(QueryError, *facts, **fields):
        realdb.query(query, engine=sail_address, store=stored)


def test_leaderboard_without_models(synthetic_store: Store, sail_address: str) -> None:
    with refused(DataError, "realdb add FILE", file=synthetic_store.root):
        realdb.leaderboard(engine=sail_address, store=synthetic_store.root)


# The SQL to paste.


def test_statements_for_spark_run_as_they_are(stored: Path, sail_address: str) -> None:
    columns = ", ".join(catalog.find("leaderboard").about.columns)
    expected = realdb.leaderboard(store=stored).project(columns)
    text = describe.statements("leaderboard", "spark")
    heading, *statements = [part.strip() for part in text.split("-- ") if part.strip()]
    assert ": images, labels, predictions (" in heading
    with engines.judging(sail_address, [], ["leaderboard"], rules=Rules(), store=stored) as session:
        for statement in statements:
            _, _, sql = statement.partition("\n")
            sql = sql.rstrip(";").replace("OR REPLACE VIEW", "OR REPLACE TEMPORARY VIEW")
            session.spark.sql(sql)
        same(session.table("leaderboard"), expected)


def test_statements_cover_every_view() -> None:
    text = describe.statements(None, "spark")
    for name, view in catalog.views().items():
        created = f"CREATE OR REPLACE VIEW {name} AS\n"
        assert (created in text) != bool(view.about.parameters)
        assert f"-- {name}: {view.about.summary}\n" in text
    assert ":threshold" in text
    con = duckdb.connect()
    for table in TABLES:
        create_table(con, table)
    con.execute(describe.statements("labels_at", "duckdb"))
    with refused(UsageError, parameter="dialect", value="hive"):
        describe.statements("labels_at", "hive")
