"""What ``make dist`` builds and ``make source`` serves: everything that is needed, nothing else, the same each time."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_project import MANIFEST, ROOT, own_files
from tests.tools import dist, lock, plain_zip, project, source, wheels
from tests.tools.lock import LockError

#: When the commit of ``origin`` was made, east of Greenwich.
COMMITTED = datetime(2026, 3, 1, 4, 5, 7, tzinfo=timezone(timedelta(hours=9)))
#: What a build reads besides the plugin.
TOOLS = ("pyproject.toml", "requirements.txt", ".gitignore", ".gitattributes", "tests/__init__.py")


def git(folder: Path, *arguments: str) -> str:
    """Run git in ``folder``, as somebody with no settings of their own; what it says."""
    stamp = COMMITTED.isoformat()
    env = os.environ | {"GIT_AUTHOR_DATE": stamp, "GIT_COMMITTER_DATE": stamp, "GIT_CONFIG_GLOBAL": os.devnull}
    who = ["-c", "user.name=A", "-c", "user.email=a@example.invalid", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, env=env, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a repository of two commits, the second of which has this tree's plugin and tools."""
    folder = tmp_path_factory.mktemp("origin")
    git(folder, "init", "-q")
    (folder / "first.txt").touch()
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    (folder / "first.txt").unlink()
    tools = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("tests/tools/*.py")]
    for name in [*dist.plugin_files(), *TOOLS, *tools]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "second")
    return folder


def clone(origin: Path, folder: Path, *options: str) -> Path:
    """Clone ``origin`` to ``folder``, with the wheels where a build looks for them."""
    git(origin, "clone", "-q", *options, origin.as_uri(), str(folder))
    (folder / wheels.FOLDER).mkdir(parents=True)
    for path in wheels.find():
        shutil.copyfile(path, folder / wheels.FOLDER / path.name)
    return folder


@pytest.fixture(scope="module")
def tree(origin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clone ``origin``: a tree without changes."""
    return clone(origin, tmp_path_factory.mktemp("clones") / "tree")


@pytest.fixture(scope="module")
def release(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> dist.Release:
    """Build the tree."""
    return dist.build(tmp_path_factory.mktemp("release") / "made", tree)


@pytest.fixture
def changed(origin: Path, tmp_path: Path) -> Path:
    """Clone ``origin`` for a test that changes it."""
    return clone(origin, tmp_path / "changed")


@pytest.fixture
def archive(release: dist.Release) -> Iterator[zipfile.ZipFile]:
    """Open the zip that was built."""
    with zipfile.ZipFile(release.archive) as found:
        yield found


def index(path: Path) -> dict[str, Any]:
    """Return the one package of an index, whose lines are ``key: JSON`` below a dash."""
    first, *rest = path.read_text("utf-8").splitlines()
    assert first.startswith("- ")
    assert all(line.startswith("  ") for line in rest)
    pairs = [line[2:].split(": ", 1) for line in (first, *rest)]
    return {key: json.loads(value) for key, value in pairs}


# -- what is in the zip


def bundled() -> dict[str, bytes]:
    """Return what the wheels bring: all but their tests and what only an installer reads."""
    left_out = {"RECORD", "WHEEL", "top_level.txt", "entry_points.txt"}
    found: dict[str, bytes] = {}
    for path in wheels.find():
        with zipfile.ZipFile(path) as wheel:
            names = [name for name in wheel.namelist() if name.rpartition("/")[2] not in left_out]
            found |= {f"packages/{name}": wheel.read(name) for name in names if "/tests/" not in name}
    return found


def test_the_zip_holds_the_plugin_its_packages_and_nothing_else(archive: zipfile.ZipFile) -> None:
    """It has the tree's modules, page and licence, the lock file, what the wheels bring, each with its very bytes."""
    folders = ("plexsync", "ui")
    mine = [path.as_posix() for path in own_files() if path.parts[0] in folders and path.suffix != ".pyc"]
    mine += ["LICENSE", "PlexSync.py", "PlexSync.yml"]
    wanted = {name: (ROOT / name).read_bytes() for name in mine} | bundled()
    wanted["packages/requirements.lock"] = (ROOT / "requirements.txt").read_bytes()
    assert sorted(archive.namelist()) == sorted(wanted)
    assert archive.namelist()[-2:] == ["PlexSync.py", "PlexSync.yml"]
    assert [name for name in wanted if archive.read(name) != wanted[name]] == []


def test_every_file_can_be_read_by_everybody(archive: zipfile.ZipFile) -> None:
    """Stash keeps the modes of the zip, so each is a regular file with mode 0644."""
    assert {entry.external_attr >> 16 for entry in archive.infolist()} == {stat.S_IFREG | 0o644}
    assert {entry.create_system for entry in archive.infolist()} == {3}


def test_nothing_in_the_zip_is_unfit_for_the_plugins_folder(archive: zipfile.ZipFile) -> None:
    """There is one manifest, no code for one system, and no requirements.txt that somebody's pip would find."""
    names = [name.lower() for name in archive.namelist()]
    assert [name for name in names if name.endswith((".yml", ".yaml"))] == ["plexsync.yml"]
    assert [name for name in names if name.endswith((".so", ".pyd", ".dll", ".pyc"))] == []
    assert [name for name in names if "/tests/" in name or name.endswith("requirements.txt")] == []
    assert len(set(names)) == len(names), "two names that differ in case alone are one file on Windows"


def test_every_package_brings_its_licence(archive: zipfile.ZipFile) -> None:
    """Beside each package stand its name and version as locked, and the text of its licence."""
    for package in lock.read():
        pattern = rf"packages/({package.name.replace('-', '[-_.]')}-{re.escape(package.version)}\.dist-info)/(.+)"
        found = [hit for name in archive.namelist() if (hit := re.fullmatch(pattern, name, flags=re.IGNORECASE))]
        files = {hit[2]: archive.read(hit[0]).decode("utf-8") for hit in found}
        assert f"Version: {package.version}" in files.pop("METADATA").splitlines()
        assert any(len(words) > 500 for words in files.values()), package.name
        assert [name for name in files if not re.search(r"LICEN[CS]E|NOTICE|AUTHORS|COPYING", name)] == []


def test_the_packages_are_found_in_the_zip_alone(release: dist.Release, tmp_path: Path) -> None:
    """An interpreter that has no package loads all that PlexSync needs from the unpacked zip."""
    with zipfile.ZipFile(release.archive) as archive:
        archive.extractall(tmp_path)
    code = """
import json, sys
folder = sys.argv[1] + "/packages"
sys.path.append(folder)
import persistqueue, plexapi.server, requests, stashapi.stashapp, unidecode
found = {name: str(module.__dict__.get("__file__")) for name, module in sys.modules.items()}
print(json.dumps([name for name, file in found.items() if file.startswith(folder)]))
"""
    command = [sys.executable, "-I", "-S", "-B", "-c", code, str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    named = {"stashapi", "plexapi", "persistqueue", "requests", "unidecode"}
    assert loaded == named | {"urllib3", "certifi", "charset_normalizer", "idna"}


def test_the_zip_is_small(
    release: dist.Release,
    tree: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It has less than 3 MB, for a download that Stash ends after 10 s; what is larger is not built."""
    assert release.archive.stat().st_size < dist.LIMIT == 3_000_000
    monkeypatch.setattr(dist, "LIMIT", 1_000_000)
    with pytest.raises(dist.BuildError, match=r"2,\d{3},\d{3} bytes.*less than 1,000,000"):
        dist.build(tmp_path / "out", tree)
    assert list((tmp_path / "out").iterdir()) == []


# -- the index, and the same build each time


def test_the_index_is_what_stash_reads(release: dist.Release) -> None:
    """A list of one package; its time in UTC is the commit's, its sum that of the zip, and nothing else is in it."""
    listed = index(release.index_file)
    assert list(listed) == ["id", "name", "version", "date", "path", "sha256", "requires", "metadata"]
    assert listed["id"] == listed["name"] == MANIFEST["name"] == "PlexSync"
    assert re.fullmatch(re.escape(MANIFEST["version"]) + "-[0-9a-f]{7}", listed["version"])
    assert listed["date"] == "2026-02-28 19:05:07"
    assert listed["path"] == release.archive.name == "PlexSync.zip"
    assert listed["sha256"] == hashlib.sha256(release.archive.read_bytes()).hexdigest()
    assert listed["requires"] == []
    assert listed["metadata"] == {"description": MANIFEST["description"]}
    assert release.archive.parent == release.index_file.parent


def test_the_zip_has_the_commits_time(archive: zipfile.ZipFile) -> None:
    """Every file has the time of the commit in UTC, to the even second that zips know.

    Two versions thus differ in time where they have one size: Python tells by both whether its bytecode is stale.
    """
    assert {entry.date_time for entry in archive.infolist()} == {(2026, 2, 28, 19, 5, 6)}


def test_two_builds_of_a_commit_are_equal(origin: Path, release: dist.Release, tmp_path: Path) -> None:
    """Folder, umask, time zone, language, the files' age, their line ends and the clone's depth change no byte."""
    other = clone(origin, tmp_path / "ß other", "--depth=1", "--config=core.autocrlf=true")
    for path in other.rglob("*"):
        os.utime(path, (1, 1))
    env = os.environ | {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PYTHONHASHSEED": "1", "GIT_DIR": "/nowhere"}
    command = [sys.executable, "-B", "-m", "tests.tools.dist"]
    umask = -1 if os.name == "nt" else 0o077
    done = subprocess.run(command, cwd=other, env=env, umask=umask, check=True, capture_output=True, text=True)
    first = [path.read_bytes() for path in (release.archive, release.index_file)]
    assert [(other / "dist" / name).read_bytes() for name in ("PlexSync.zip", "index.yml")] == first
    assert hashlib.sha256(first[0]).hexdigest() in done.stdout


def test_no_compressor_has_a_say(
    release: dist.Release, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is compressed anew, because two versions of zlib make different bytes of the same file."""
    monkeypatch.delattr(zlib, "compressobj")
    monkeypatch.delattr(zlib, "compress")
    assert dist.build(tmp_path, tree).archive.read_bytes() == release.archive.read_bytes()


def test_a_changed_tree_says_so_and_is_newer(changed: Path, tmp_path: Path) -> None:
    """A file of the plugin that is changed, new or gone makes the build dirty, with the time of now."""
    now = datetime(2027, 1, 1, 12, 0, 0, 999_999, tzinfo=UTC)
    clean = dist.tree(changed, now)
    assert clean.at == COMMITTED
    (changed / "notes.txt").touch()
    (changed / "tests" / "tools" / "project.py").unlink()
    assert dist.tree(changed, now) == clean, "what no release holds does not count"
    (changed / "ui" / "new.js").touch()
    assert dist.tree(changed, now) == dist.Tree(f"{clean.version}-dirty", now.replace(microsecond=0))
    (changed / "ui" / "new.js").unlink()
    (changed / "plexsync" / "cli.py").unlink()
    assert dist.tree(changed, now).version == f"{clean.version}-dirty"
    made = dist.build(tmp_path / "out", changed, now)
    assert index(made.index_file)["date"] == "2027-01-01 12:00:00"
    with zipfile.ZipFile(made.archive) as archive:
        assert "plexsync/cli.py" not in archive.namelist()


def test_a_tree_without_git_has_the_time_of_its_newest_file(changed: Path) -> None:
    """An archive of a commit, as GitHub offers it, has no commit to name, and files as old as the commit."""
    shutil.rmtree(changed / ".git")
    for name in dist.plugin_files(changed):
        os.utime(changed / name, (1_700_000_000, 1_700_000_000))
    os.utime(changed / "PlexSync.py", (1_700_000_300.7, 1_700_000_300.7))
    assert dist.tree(changed) == dist.Tree(project.version(), datetime.fromtimestamp(1_700_000_300, UTC))


def test_what_is_missing_is_told_in_one_sentence(changed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a file nor git can be missing unnoticed."""
    (changed / "LICENSE").unlink()
    with pytest.raises(dist.BuildError, match="LICENSE is missing"):
        dist.plugin_files(changed)
    shutil.rmtree(changed / ".git" / "refs")
    with pytest.raises(dist.BuildError, match="git show failed: fatal"):
        dist.tree(changed)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(dist.BuildError, match="git is needed"):
        dist.tree(changed)


# -- the wheels


def test_a_wheel_that_was_tampered_with_is_not_used(changed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the hash of the lock file makes a wheel the right one: another is downloaded anew, or ends the build."""
    asked: list[str] = []
    whole = next((changed / wheels.FOLDER).glob("idna-*.whl"))
    content = whole.read_bytes()
    monkeypatch.setattr(lock, "download", lambda folder, *wanted: asked.extend(wanted))
    assert len(wheels.find(changed)) == len(lock.read())
    assert asked == []
    whole.write_bytes(content[:-1] + b"x")
    with pytest.raises(LockError, match=r"No wheel of pure Python has the hash .* for idna\."):
        wheels.find(changed)
    assert asked == ["--no-deps", "--require-hashes", f"--requirement={changed / 'requirements.txt'}"]
    monkeypatch.setattr(lock, "download", lambda folder, *wanted: (folder / whole.name).write_bytes(content))
    assert whole in wheels.find(changed)
    assert sorted(path.suffix for path in (changed / wheels.FOLDER).iterdir()) == [".whl"] * len(lock.read())


def made_up(folder: Path, *names: str) -> zipfile.ZipFile:
    """Return a wheel with these files."""
    path = folder / "made_up-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name in names:
            wheel.writestr(name, name)
    return zipfile.ZipFile(path)


@pytest.mark.parametrize(
    "name", ["a/b.so", "a/b.pyd", "a/b.pyc", "a/data.yml", "a-1.data/scripts/x", "../up.py", "/root.py", "a/../../b.py"]
)
def test_a_wheel_with_unfit_files_ends_the_build(tmp_path: Path, name: str) -> None:
    """Code for one system, a second manifest or a path out of the folder is named instead of left out."""
    with made_up(tmp_path, "a/__init__.py", name) as wheel, pytest.raises(LockError, match="cannot lie in a plugin's"):
        list(wheels.files(wheel))


def test_of_a_wheel_modules_data_and_licences_are_kept(tmp_path: Path) -> None:
    """Its own tests, and what only an installer reads, stay behind."""
    kept = ["a/__init__.py", "a/data.pem", "tests.py", "a-1.dist-info/METADATA", "a-1.dist-info/LICENSE.txt"]
    kept += ["a-1.dist-info/licenses/b/MIT.txt"]
    left = ["a/", "a/tests/test_a.py", "tests/x.py", "a-1.dist-info/RECORD", "a-1.dist-info/WHEEL"]
    left += ["a-1.dist-info/entry_points.txt", "a-1.dist-info/INSTALLER"]
    with made_up(tmp_path, *kept, *left) as wheel:
        assert [entry.filename for entry in wheels.files(wheel)] == kept


def test_a_zip_is_written_as_readers_expect_it(tmp_path: Path) -> None:
    """Whatever way an entry was packed, empty or not, in a name of any alphabet: it is read back, and its sum holds."""
    at = datetime(1979, 1, 1, tzinfo=UTC)
    contents = {"a.txt": b"a" * 1000, "b/ß.txt": b"", "c.bin": bytes(range(256))}
    with zipfile.ZipFile(tmp_path / "from.zip", "w") as archive:
        for name, method in zip(contents, (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_LZMA), strict=True):
            info = zipfile.ZipInfo(name)
            info.extra = b"\xfe\xca\x02\x00ab"  # a field that nobody knows, before the data
            archive.writestr(info, contents[name], method)
    with zipfile.ZipFile(tmp_path / "from.zip") as archive:
        copied = [plain_zip.copied(f"x/{info.filename}", archive, info) for info in archive.infolist()]
    plain_zip.write(tmp_path / "to.zip", [plain_zip.entry("z", b"z"), *copied], at)
    with zipfile.ZipFile(tmp_path / "to.zip") as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == {
            **{f"x/{name}": content for name, content in contents.items()},
            "z": b"z",
        }
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert [entry.compress_type for entry in archive.infolist()] == [0, zipfile.ZIP_DEFLATED, 0, 0]


def test_a_zips_times_are_in_utc(tmp_path: Path) -> None:
    """Whatever zone a time is told in, the zip has that of Greenwich."""
    plain_zip.write(tmp_path / "a.zip", [], COMMITTED)
    plain_zip.write(tmp_path / "b.zip", [plain_zip.entry("a", b"")], COMMITTED)
    with zipfile.ZipFile(tmp_path / "a.zip") as empty, zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert empty.namelist() == []
        assert archive.infolist()[0].date_time == (2026, 2, 28, 19, 5, 6)


def test_a_damaged_entry_is_not_copied(tmp_path: Path) -> None:
    """Bytes that do not unpack to what the wheel promises end the build."""
    with made_up(tmp_path, "a.py") as wheel:
        path = Path(str(wheel.filename))
    path.write_bytes(path.read_bytes().replace(b"a.pya.py", b"a.pyb.py"))
    with zipfile.ZipFile(path) as wheel, pytest.raises(zipfile.BadZipFile, match="CRC"):
        plain_zip.copied("a.py", wheel, wheel.infolist()[0])


# -- make source


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one process on Windows")
def test_source_serves_the_index_and_the_zip_until_ctrl_c(tree: Path, release: dist.Release) -> None:
    """Stash reads the index at the printed address, asks whether it is newer, and downloads the zip that it names."""
    command = [sys.executable, "-B", "-u", "-m", "tests.tools.source", "--port", "0"]
    server = subprocess.Popen(command, cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout is not None
        lines = iter(server.stdout.readline, "")
        url = next(hit[1] for line in lines if (hit := re.search(r"Source URL +(http://127\.0\.0\.1:\d+/.*)", line)))
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert answer.read() == release.index_file.read_bytes()
            modified = parsedate_to_datetime(answer.headers["Last-Modified"])
        assert abs(datetime.now(UTC) - modified) < timedelta(minutes=10)
        listed = index(tree / "dist" / "index.yml")
        with urllib.request.urlopen(url.replace("index.yml", listed["path"]), timeout=10) as answer:
            assert hashlib.sha256(answer.read()).hexdigest() == listed["sha256"]
        connection = http.client.HTTPConnection("127.0.0.1", int(url.split(":")[2].split("/")[0]), timeout=10)
        statuses = []
        for path in ("/index.yml", "/PlexSync.zip", "/", "/LICENSE", "/../LICENSE", "/index.yml/", "/dist/index.yml"):
            connection.request("HEAD", path)
            answer = connection.getresponse()
            statuses.append((answer.status, answer.headers["Last-Modified"] is not None, answer.read()))
        assert statuses == [(200, True, b"")] * 2 + [(404, False, b"")] * 5
        connection.close()
        server.send_signal(signal.SIGINT)
        assert server.wait(10) == 0
    finally:
        server.kill()
        server.wait()


def test_source_says_what_to_paste(release: dist.Release) -> None:
    """The words name what Stash's dialog asks for, and how a Stash elsewhere reaches this machine."""
    local = source.words(release, "127.0.0.1", 9970)
    assert "Source URL  http://127.0.0.1:9970/index.yml\n" in local
    assert "community" in local
    assert "make source BIND=0.0.0.0" in local
    assert release.index_file.as_uri() in local
    everywhere = source.words(release, "0.0.0.0", 80, lambda: "192.0.2.7")
    assert "Source URL  http://192.0.2.7:80/index.yml\n" in everywhere
    assert "http://host.docker.internal:80/index.yml\n" in everywhere
    assert "BIND" not in everywhere
    assert re.fullmatch(r"[\d.]+", source.address_of_this_machine())
    assert max(map(len, local.splitlines())) <= max(100, len(release.index_file.as_uri()) + 14)


def test_source_says_why_it_cannot_serve(
    release: dist.Release, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An address that another program has, and a tree that cannot be built, are one sentence and status 1."""
    monkeypatch.setattr(dist, "build", lambda: release)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), source.handler({}, 0)) as other:
        assert source.main(["--port", str(other.server_port)]) == 1
    assert re.search(r"127\.0\.0\.1:\d+ cannot be used \(.+\)\. Another port: PORT=", capsys.readouterr().err)

    def build(*_: Path) -> dist.Release:
        raise dist.BuildError("No.")

    monkeypatch.setattr(dist, "build", build)
    assert (source.main([]), dist.main([])) == (1, 1)
    assert capsys.readouterr().err == "No.\nNo.\n"
