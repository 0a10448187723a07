"""No error recommends an option that the command does not have."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import itertools
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer

import realdb
from campaigns import some
from needs import needs
from realdb import cli, terminal
from realdb.api import charts
from realdb.errors import COMMAND, PARAMETER, READING, DataError, RealdbError
from realdb.exports.registry import EXPORT_FORMATS
from realdb.store.store import Store

GROUP: Any = typer.main.get_command(cli.app)
OPTIONS = {
    name: terminal._options(cli.app, name.split())
    for name in [
        *GROUP.commands,
        *(
            f"{group} {name}"
            for group, command in GROUP.commands.items()
            for name in getattr(command, "commands", ())
        ),
    ]
}
OPTION = re.compile(r"(?<!\S)--[a-z][a-z-]+")
# Options of other tools: timm's inference.py.
OF_OTHERS = {"--help", "--include-index", "--results-format"}
PACKAGE = Path(realdb.__file__).parent
# Commands that read prediction files. Some have no options that say how.
READERS = (
    "accuracy",
    "add",
    "compare",
    "doctor",
    "explain",
    "leaderboard",
    "plot",
    "scores",
    "sql",
)

BAD_FILES = {
    "no columns that are known": "a,b\n1,2\n",
    "no label": "image,b\n1,2\n",
    "two labels": "image,label,pred\n1,2,3\n",
    "two images": "image,file_name,label\n00000002.jpg,00000001.jpg,3\n",
    "no class": "image,label\n1,1000\n",
    "no image": "image,label\n0,1\n",
    "several confidences": "image,label,prob_0,prob_1\n1,2,0.1,0.2\n",
    "an image twice": "image,label\n1,2\n1,3\n",
    "no first rank": "image,label,rank\n1,2,2\n",
    "no name": 'image,label,model\n1,2," "\n',
    "text": "# Predictions\n",
    "nothing": "",
}


def require_possible(text: str, command: str) -> None:
    """Each option belongs to the command that runs, or to a command named before it."""
    known = {option for option in OPTIONS[command].values() if option.startswith("--")}
    for part in re.split(r"(?<=[.;]) ", text):
        own, *others = re.split(rf"realdb (?=(?:{'|'.join(GROUP.commands)})\b)", part)
        assert {*OPTION.findall(own)} <= known | OF_OTHERS, text
        for other in others:
            words = re.findall(r"^[a-z]+(?: [a-z]+)?", other)[0]
            name = words if words in OPTIONS else words.split()[0]
            assert {*OPTION.findall(other)} <= {"--help", *OPTIONS[name].values()}, text
    assert "`" not in text
    assert "={" not in text, "a parameter is left as Python takes it"


@pytest.fixture(scope="module")
def errors(
    synthetic_store: Store, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, RealdbError]:
    """Return the errors of reading prediction files."""
    folder = tmp_path_factory.mktemp("bad")
    found = {}
    for name, text in BAD_FILES.items():
        file = folder / f"{name}.csv"
        file.write_text(text)
        with pytest.raises(DataError) as caught:
            realdb.accuracy(file, store=synthetic_store.root)
        found[name] = caught.value
    one = folder / "one.csv"
    one.write_text("image,label\n1,2\n")
    with pytest.raises(DataError) as caught:
        realdb.accuracy_table(one, one, store=synthetic_store.root)
    return found | {"two of one name": caught.value}


@pytest.mark.parametrize("command", OPTIONS)
def test_errors_of_reading_a_prediction_file(command: str, errors: dict[str, RealdbError]) -> None:
    for name, error in errors.items():
        text = terminal.refusal(error, OPTIONS[command])
        require_possible(text, command)
        assert text.startswith(terminal.as_options(error.message, OPTIONS[command])), name


@pytest.mark.parametrize("command", READERS)
def test_every_call_has_a_way_to_choose_columns(
    command: str, errors: dict[str, RealdbError]
) -> None:
    text = terminal.refusal(errors["no label"], OPTIONS[command])
    by = "" if "columns" in OPTIONS[command] else "realdb add FILE "
    assert f"{by}--columns label=NAME" in text
    assert ("realdb add" in text) == bool(by)


def test_add_has_all_options_of_reading() -> None:
    assert {*READING} <= {*OPTIONS["add"]}


def remedies() -> Iterator[str]:
    """Yield the text of each remedy in the package; computed parts are X."""
    for file in PACKAGE.rglob("*.py"):
        if {"tests", "benchmarks"} & {*file.relative_to(PACKAGE).parts}:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "remedy":
                yield from texts(node.value)


def texts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(
            str(each.value) if isinstance(each, ast.Constant) else "X" for each in node.values
        )
    else:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                yield from texts(child)


@pytest.mark.parametrize("remedy", sorted({*remedies()}))
def test_every_remedy(remedy: str) -> None:
    for command, options in OPTIONS.items():
        require_possible(terminal.refusal(RealdbError("no", remedy=remedy), options), command)


@pytest.mark.parametrize(
    ("remedy", "text"),
    [
        ('Pass `model="NAME"`; or rename it', "no. Pass --model NAME; or rename it"),
        (
            'Rename it; or pass `order="X"`',
            "no. Rename it; or store the file first: realdb add FILE --order X",
        ),
        ("Pass `scores=FILE`; or rename it", "no. Or rename it"),
        ("Rename it; pass `scores=FILE`", "no. Rename it"),
        ("Pass `scores=FILE`", "no"),
        ("Use realdb scores with `out=FILE`", "no. Use realdb scores --out FILE"),
        (
            'Choose `order="X"`. Else rename it',
            "no. Store the file first: realdb add FILE --order X. Else rename it",
        ),
        ("Leave `order` out", "no"),
        (None, "no"),
    ],
)
def test_impossible_remedies_are_left_out(remedy: str | None, text: str) -> None:
    error = RealdbError("no", remedy=remedy)
    assert terminal.refusal(error, {"model": "--model"}) == text


# Recommendations of Python calls.


def parameters(call: str) -> set[str]:
    """Return the parameters of a function, with the options of all formats or charts."""
    options: dict[str, set[str]] = {
        "export": {option for form in EXPORT_FORMATS.values() for option in form.options},
        "plot": {*charts.Arguments.__annotations__},
    }
    return {*inspect.signature(getattr(realdb, call)).parameters} | options.get(call, set())


def require_own(error: RealdbError, call: str) -> None:
    """Each parameter belongs to the call, or to a command that is named."""
    own = parameters(call)
    assert error.parameter in {*own, None}, (call, error.parameter)
    text = str(error)
    assert {name for name, _ in PARAMETER.findall(COMMAND.sub("", text))} <= own, (call, text)
    for command, words in COMMAND.findall(text):
        _, verb, *rest = re.split("[ .]", command)
        named = f"{rest[0]}_{verb}" if verb in ("labels", "groups") else verb
        assert {name for name, _ in PARAMETER.findall(words)} <= parameters(named)


# The public functions, but for the doctor, which has its own tests, and the demo, which takes none.
CALLS = {
    name
    for name in realdb.__all__
    if inspect.isfunction(getattr(realdb, name)) and name not in ("doctor", "demo")
}
# How each function reads predictions.
READING_CALLS: dict[str, Callable[..., object]] = {
    "accuracy": lambda *given, **options: realdb.accuracy(given[0], **options),
    "accuracy_table": lambda *given, **options: realdb.accuracy_table(*given, **options),
    "add": lambda *given, **options: realdb.add(*given, **options),
    "compare": lambda *given, **options: realdb.compare(*given, **options),
    "explain": lambda *given, **options: realdb.explain(1, *given, **options),
    "export": lambda *given, **options: realdb.export(
        "accuracy", "-", predictions=sets(given), **options
    ),
    "leaderboard": lambda *given, **options: realdb.leaderboard(*given, **options),
    "plot": lambda *given, **options: realdb.plot("accuracy", *given, csv=True, **options),
    "query": lambda *given, **options: realdb.query(
        "from accuracy", predictions=sets(given), **options
    ),
    "report": lambda *given, **options: reported(*given, **options),
    "scores": lambda *given, **options: realdb.scores(*given, **options),
}


def reported(*given: object, **options: Any) -> realdb.Reported:
    """Write the shortest report to a file that is removed."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "report.html"
        return realdb.report(*given, **{"output": output, "sections": "judged", **options})


def sets(given: Sequence[object]) -> Any:
    """Return predictions as a query takes them."""
    is_path = all(isinstance(each, str | Path) for each in given)
    return list(given) if is_path else {f"set{place}": each for place, each in enumerate(given)}


@pytest.mark.cases(15)
# Each file and each call is among the few.
@pytest.mark.parametrize(("name", "call"), [*itertools.product(BAD_FILES, READING_CALLS)])
def test_a_call_names_only_its_own_parameters(
    call: str, name: str, synthetic_store: Store, tmp_path: Path
) -> None:
    if call == "report":
        needs("jinja2")
    file = tmp_path / "bad.csv"
    file.write_text(BAD_FILES[name])
    with pytest.raises(DataError) as caught:
        READING_CALLS[call](file, store=synthetic_store.root)
    require_own(caught.value, call)
    rows = {
        "no label": {"image": [1], "b": [2]},
        "an image twice": {"image": [1, 1], "label": [2, 3]},
    }
    if name in rows:
        with pytest.raises(DataError) as caught:
            READING_CALLS[call](pa.table(rows[name]), store=synthetic_store.root)
        require_own(caught.value, call)
        assert "FILE" not in str(caught.value), "there is no file"


@pytest.mark.parametrize("call", READING_CALLS)
def test_a_column_can_be_chosen_in_every_call(
    call: str, synthetic_store: Store, tmp_path: Path
) -> None:
    if call == "report":
        needs("jinja2")
    file = tmp_path / "bad.csv"
    file.write_text(BAD_FILES["no label"])
    for given, add in (
        (file, "realdb add FILE"),
        (pa.table({"image": [1], "b": [2]}), "realdb.add"),
    ):
        with pytest.raises(DataError) as caught:
            READING_CALLS[call](given, store=synthetic_store.root)
        # Those of an export are the columns that it writes.
        has_columns = "columns" in parameters(call) and call != "export"
        assert '`columns={"label": "NAME"}`' in str(caught.value)
        assert (add in str(caught.value)) != has_columns
        assert caught.value.parameter == ("columns" if has_columns else None)


Call = tuple[str, tuple[object, ...], dict[str, Any]]


def bad_predictions(store: Path, bare: Path, folder: Path) -> Iterator[Call]:
    """Yield calls whose predictions, or rules for them, are refused; `small` is stored."""
    small, again, truth = (
        folder / "small.csv",
        folder / "other" / "small.csv",
        folder / "truth.parquet",
    )
    for call in READING_CALLS:
        for predictions in ("no file.csv", "no model", "empty", "*.npy"):
            yield call, (str(folder / predictions),), {"store": store}
        yield call, (small,), {"store": folder / "no store", "offline": True}
        if call != "accuracy":
            yield call, (small, again), {"store": store}
        if call not in ("accuracy", "add"):
            yield call, (small, "small"), {"store": store}
        own: list[dict[str, Any]] = [
            {"threshold": 2},
            {"scores": folder / "none.parquet"},
            {"scores": small},
            {"threshold": 0.5, "store": bare},
            {"empty": "nope"},
            {"by": "nope"},
            {"require_complete": True},
            {"order": "nowhere"},
            {"order": "class-folder"},
            {"input_format": "xls"},
            {"columns": {"nope": "image"}},
            {"model": " "},
        ]
        for options in own:
            if {*options} <= parameters(call) and (call, *options) != ("export", "columns"):
                yield call, (small,), {"store": store, **options}
        if "allow_ground_truth" in parameters(call):
            yield call, (truth,), {"store": store, "allow_ground_truth": False}
    yield "accuracy_table", (small, again), {"store": store, "model": "a"}
    yield "add", (again,), {"store": store}


def bad_calls(store: Path, bare: Path, folder: Path) -> Iterator[Call]:
    """Yield calls that are refused for other reasons."""
    out, there, wrong = folder / "x.parquet", folder / "there.parquet", folder / "x.xlsx"
    small, again = folder / "small.csv", folder / "other" / "small.csv"
    here: dict[str, Any] = {"store": store}
    nowhere: dict[str, Any] = {"store": folder / "no store"}
    yield "query", ("from accuracy", again), {**here, "with_stored": True}
    yield "query", ("from accuracy",), {**here, "with_stored": True}
    yield "query", ("from accuracy",), {**here, "predictions": [1]}
    yield "query", ("from votes",), {"store": bare}
    yield "query", ("select 1",), {**here, "tables": {"votes": small}}
    yield "query", ("select 1",), {**here, "tables": {"x": folder / "x.xls"}}
    for sql in ("from read_csv('x.csv')", "from 'x.csv'", "from acuracy", "drop table votes"):
        yield "query", (sql,), here
    yield "export", ("votes", there), here
    for what in ("votes", "real-json", "store", "imagefolder", "cleanlab"):
        yield "export", (what, wrong), here
    yield "export", ("votes", wrong), {**here, "format": "csv"}
    yield "export", ("votes", folder / "x"), here
    yield "export", ("votes", out), {**here, "by": "votes"}
    yield "export", ("votes", out), {**here, "columns": "nope"}
    yield "export", ("votes", out), {**here, "predictions": small}
    yield "export", ("store", folder / "x.db"), {**here, "format": "csv"}
    yield "export", ("accuracy", out), {**here, "with_stored": True}
    yield "export", ("accuracy", out), {**here, "predictions": again, "with_stored": True}
    yield "export", ("accuracy", out), {"store": bare}
    yield "export", ("soft-labels", folder / "x.npz"), {**here, "by": "nope"}
    yield "export", ("imagefolder", folder / "tree"), here
    yield "export", ("real-json", folder / "x.json"), {**here, "format": "csv"}
    yield "export", ("from votes", out), {**here, "tables": {"votes": small}}
    yield "export", ("labels_at", out), here
    yield "scores", (), {**here, "out": there}
    yield "scores", (), {**here, "out": wrong}
    yield "scores", (), {**here, "method": "nope"}
    yield "scores", (), {**here, "threshold": "nope"}
    yield "agreement", (), {**here, "by": "nope"}
    yield "compare", (small,), here
    yield "compare", (), here
    for options in ({"by": "nope"}, {"se": "nope"}, {"by": "class", "images": True}):
        yield "compare", (small,), {**here, **options}
    yield "agreement", (), {**here, "level": 2}
    yield "agreement", (), {**here, "bootstrap": -1}
    yield "agreement", (), {**here, "labels": "nope"}
    yield "export", ("labels", out), {**here, "label_set": "nope"}
    yield "export", ("labels", out), {**here, "label_set": "original", "threshold": 0.5}
    yield "add_labels", ("nope",), here
    yield "add_labels", (folder,), here
    yield "add_labels", (folder / "x.csv",), here
    yield "add_labels", ("imagenet-x",), {**here, "source": small}
    yield "add_labels", ("imagenet-x",), {**here, "source": folder / "empty"}
    yield "add_labels", ("vit3b-mistakes",), {**here, "golden": ["Ada"]}
    yield "add_labels", ("vit3b-mistakes",), {**here, "source": small}
    yield "add_labels", (small,), {**here, "name": "real"}
    yield "add_labels", (small,), {**here, "aggregate": "majority"}
    yield "add_labels", (small,), {**here, "threshold": 0.5}
    yield "add_labels", (small,), {**here, "columns": {"label": "nope"}}
    yield "add_labels", (small,), {**here, "columns": {"nope": "label"}}
    yield "add_groups", (small,), here
    yield "add_groups", (small,), {**here, "name": "factor"}
    yield "add_groups", (folder / "none.csv",), here
    yield "remove_labels", ("nope",), here
    yield "remove_groups", ("nope",), here
    for name in ("nope", "raters", "accuracy"):
        yield "plot", (name,), here
    yield "plot", ("raters",), {**here, "output": "raters.gif"}
    yield "plot", ("raters",), {**here, "csv": True, "threshold": 0.5}
    yield "plot", ("accuracy", small), {**here, "csv": True, "background": small}
    yield "plot", ("pairs", small), {**here, "csv": True}
    page = {**here, "output": folder / "report.html"}
    yield "report", (small,), {**page, "output": "report.pdf"}
    yield "report", (small,), {**page, "output": folder / "none" / "report.html"}
    yield "report", (small,), {**page, "sections": "nope"}
    yield "report", (small,), {**page, "date": "today"}
    yield "report", (small,), {**page, "images": folder / "none"}
    yield "report", (small,), {**page, "format": "pdf"}
    yield "report", (small,), {**page, "labels": "nope"}
    yield "compare_labels", ("real", "nope"), here
    yield "compare_labels", ("real", "real"), here
    for call in ("label_sets", "groups"):
        yield call, (), nowhere
    if importlib.util.find_spec("starlette") is not None:
        for options in ({"port": -1}, {"host": "0.0.0.0"}, {"images": small}, {"sql_limit": 0}):
            yield "browse", (), {**here, "port": 0, **options}
        (folder / "wide.csv").write_text("a,b\n1,2\n")
        for file in ("none.csv", "wide.csv"):
            yield "browse", (folder / file,), {**here, "port": 0}
    yield "browse", (), {**nowhere, "port": 0, "offline": True}
    for call in ("scores", "agreement", "leaderboard", "verify_scores"):
        yield call, (), {"store": bare}
    for call in ("models", "info", "verify"):
        yield call, (), nowhere
    yield "connect", (), {**nowhere, "offline": True}
    yield "remove", ("nope",), here
    yield "remove", ("nope",), {"store": bare}
    yield "views", ("acuracy",), {}
    yield "view_sql", ("acuracy",), {}
    yield "real_labels", (), {"store": bare, "threshold": 0.5}
    yield "real_labels", ("nope",), here
    yield "ingest", (folder / "empty",), nowhere
    yield "ingest", (folder / "none",), nowhere
    yield "ingest", (), {**nowhere, "offline": True}
    yield "ingest", (folder / "empty",), {"original": small, "original_format": "nope"}


@pytest.mark.filterwarnings("ignore::realdb.RealdbWarning")
def test_every_call_names_only_its_own_parameters(
    synthetic_store: Store, bare_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realdb.api.doubts.ENOUGH_RATED", 10)
    store = tmp_path / "store"
    # Nothing reads realdb.duckdb.
    shutil.copytree(synthetic_store.root, store, ignore=shutil.ignore_patterns("realdb.duckdb"))
    for folder in ("empty", "other"):
        (tmp_path / folder).mkdir()
    for file, label in (("small.csv", 2), ("other/small.csv", 3)):
        (tmp_path / file).write_text(f"image,label\n1,{label}\n")
    (tmp_path / "there.parquet").touch()
    originals = "select image_id as image, original_label as label from images"
    pq.write_table(
        realdb.query(originals, store=store).to_arrow_table(), tmp_path / "truth.parquet"
    )
    realdb.add(tmp_path / "small.csv", store=store)
    given = (store, bare_store.root, tmp_path)
    attempts: list[tuple[Callable[..., object], str, Any]] = [
        *((READING_CALLS[call], call, rest) for call, *rest in some(bad_predictions(*given), 45)),
        *((getattr(realdb, call), call, rest) for call, *rest in bad_calls(*given)),
    ]
    for do, call, (arguments, options) in attempts:
        with pytest.raises(RealdbError) as caught:
            do(*arguments, **options)
            pytest.fail(f"{call} {arguments} {options} is not refused")
        require_own(caught.value, call)
    assert {call for _, call, _ in attempts} == CALLS
