"""Installing, updating and removing, as Stash's package manager does it, with a Python that has no package at all."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from plexsync.queue import stock
from tests.servers.source import served
from tests.support import interpreters, release
from tests.support.installation import Installation
from tests.support.package_manager import PackageError, PackageManager
from tests.support.processes import ends, idle_worker_of, pid_of, rows, until

pytestmark = pytest.mark.usefixtures("unmeasured")

#: Seconds in which changed and missing files are noticed here.
QUICK = {"INTERVAL": 0.1, "STILL": 0.3, "GONE": 0.6}

FILES = "plexsync/daemon/plugin_files.py"

#: What stands for the community's version 0.1: its id, and files that ours does not have.
OLD = {
    "PlexSync.yml": 'name: PlexSync\nexec:\n  - python3\n  - "-S"\n  - "{pluginDir}/PlexSync.py"\ninterface: raw\n',
    "PlexSync.py": "print('version 0.1')\n",
    "settings_of_01.py": "",
}


def quick() -> str:
    """The module that watches the files, with other times."""
    text = (release.unpack_once() / FILES).read_text("utf-8")
    head = "\n".join(f"{name} = {value}" for name, value in QUICK.items())
    return text.replace("\n\nclass ", f"\n\n{head}\n\nclass ", 1)


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A source with this release, of a later day; the address of its index."""
    folder = release.source(tmp_path_factory.mktemp("new"), 2, {FILES: quick()})
    with served(folder) as index:
        yield index


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A source with an older one: another version, another text of a module, and a module that the later one lacks."""
    here = release.unpack_once()
    yml = (here / "PlexSync.yml").read_text("utf-8")
    version = next(line for line in yml.splitlines() if line.startswith("version: "))
    health = (here / "plexsync" / "health.py").read_text("utf-8")
    changes: dict[str, str | None] = {
        "PlexSync.yml": yml.replace(version, "version: 1.0.9"),
        "plexsync/__init__.py": '"""Older."""\n\n__version__ = "1.0.9"\n',
        "plexsync/health.py": health.replace('"""', '"""Older. ', 1),
        "plexsync/left.py": "",
        FILES: quick(),
    }
    with served(release.source(tmp_path_factory.mktemp("old"), 1, changes)) as index:
        yield index


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter without any package, not even pip."""
    return interpreters.bare(tmp_path_factory.mktemp("python"))


@pytest.fixture
def here(tmp_path: Path, python: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    """A Stash into which nothing was installed yet."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    script = tmp_path / "stash" / "plugins" / "community" / "PlexSync" / "PlexSync.py"
    with Installation(tmp_path, script=script) as made:
        made.stash.python = str(python)
        yield made


@pytest.fixture
def packages(here: Installation) -> PackageManager:
    """Stash's package manager."""
    return PackageManager(here.stash.dir / "plugins")


def isolated(folder: Path, python: Path) -> Path:
    """Make a program that starts Python with ``-I``."""
    path = folder / "isolated"
    path.write_text(f'#!/bin/sh\nexec "{python}" -I "$@"\n', "ascii")
    path.chmod(0o755)
    return path


def remains(folder: Path) -> set[str]:
    """Return the names of the files in a folder, bytecode as one."""
    found = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {"__pycache__" if path.suffix == ".pyc" else path.as_posix() for path in found}


@pytest.mark.parametrize("flags", ["", "-I"])
def test_a_fresh_install_works_at_once(
    here: Installation, packages: PackageManager, python: Path, tmp_path: Path, new: str, flags: str
) -> None:
    """Without any package installed: hook, queue, worker and Plex; tasks, operations and the command line as well."""
    folder = packages.install(new, "PlexSync")
    assert packages.plugins_loaded() == {"PlexSync": folder / "PlexSync.yml"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*.py")} == {0o644}
    if flags:
        here.stash.python = str(isolated(tmp_path, python))
    film = here.film()
    here.edit(film, "Title")
    here.arrives(film, "Title")
    assert here.call("check_setup")["ok"] is True
    assert here.call("overview")["recent"][0]["scene_id"] == film.scene
    assert here.command("status", "--json")["problem"] is None
    report = here.call("report")["text"]
    assert "in a virtual environment" in report
    assert all(f"{name} unknown" not in report for name in ("stashapi", "requests", "unidecode"))


def test_the_command_line_finds_the_data(here: Installation, packages: PackageManager, python: Path, new: str) -> None:
    """Installed where Stash puts it, the command line needs no ``--data-dir``."""
    script = packages.install(new, "PlexSync") / "PlexSync.py"
    here.call("status")
    command = [str(python), "-I", str(script), "check-setup"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **here.stash.env}, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_update_while_the_worker_runs(here: Installation, packages: PackageManager, old: str, new: str) -> None:
    """The process restarts into the new code, what is stored stays, files that the update lacks go, and an edit whose
    hook failed because the files were away arrives soon afterwards."""
    folder = packages.install(old, "PlexSync")
    kept, lost = here.film(), here.film()
    here.edit(kept, "Before")
    here.arrives(kept, "Before")
    assert here.status()["version"] == "1.0.9"
    pid, synced = idle_worker_of(here), here.status()["totals"]["synced"]
    assert packages.offers_update(new, "PlexSync")

    def meanwhile() -> None:
        assert here.stash.update_scene(lost.scene, title="Saved meanwhile").returncode != 0
        (folder / "PlexSync.py").write_text((release.unpack_once() / "PlexSync.py").read_text("utf-8"), "utf-8")
        before = len(here.stash.plugin_log)
        assert here.stash.update_scene(lost.scene, title="Saved meanwhile").returncode != 0
        (line,) = here.stash.plugin_log[before:]
        assert line.message.startswith("PlexSync's files are incomplete: Stash is updating or removing it.")
        assert here.rows() == []

    packages.install(new, "PlexSync", between=meanwhile)
    assert not packages.offers_update(new, "PlexSync")
    here.arrives(lost, "Saved meanwhile")
    assert pid_of(here) == pid
    until(lambda: '"1.0.9"' not in (here.folder / "status.json").read_text("utf-8"), what="the new code's status")
    assert here.status()["totals"]["synced"] > synced > 0
    assert not (folder / "plexsync" / "left.py").exists()
    assert "Older" not in (folder / "plexsync" / "health.py").read_text("utf-8")


def test_an_update_of_version_0_1(here: Installation, packages: PackageManager, tmp_path: Path, new: str) -> None:
    """Installed from a source with the same local path, it replaces the community's in place; the settings stay."""
    here.stash.configure(plexHost="127.0.0.1", skipTitle=False)
    source = release.source(tmp_path / "community", 1, dict(OLD), whole=False)
    with served(source) as community:
        folder = packages.install(community, "PlexSync")
    assert here.stash.run_operation({"mode": "status"}).output == "version 0.1\n"
    before = dict(here.stash.plugin_settings)
    packages.install(new, "PlexSync")
    assert packages.plugins_loaded() == {"PlexSync": folder / "PlexSync.yml"}
    assert not (folder / "settings_of_01.py").exists()
    film = here.film()
    here.edit(film, "Title")
    here.arrives(film, "Title")
    assert here.stash.plugin_settings == before


def test_two_sources_are_two_folders(packages: PackageManager, tmp_path: Path, old: str, new: str) -> None:
    """Under another local path both folders lie there, and Stash loads the first in byte order."""
    packages.install(old, "PlexSync")
    other = PackageManager(packages.plugins, "PlexSync")
    other.install(new, "PlexSync")
    assert packages.plugins_loaded() == {"PlexSync": packages.plugins / "PlexSync" / "PlexSync" / "PlexSync.yml"}
    other.uninstall("PlexSync")
    assert packages.plugins_loaded() == {"PlexSync": packages.plugins / "community" / "PlexSync" / "PlexSync.yml"}


def test_removal_while_the_worker_runs(here: Installation, packages: PackageManager, new: str) -> None:
    """The process ends by itself, nothing but bytecode stays in the folder, and what is stored is found again."""
    folder = packages.install(new, "PlexSync")
    film = here.film()
    here.edit(film, "Before")
    here.arrives(film, "Before")
    idle_worker_of(here)
    here.stash.env["PLEXSYNC_SETTLE"] = "3600"
    here.edit(film, "Waits")
    packages.uninstall("PlexSync")
    ends(here)
    assert remains(folder) == {"__pycache__"}
    assert rows(here.folder, "key, status") == [(f"scene:{film.scene}", stock.READY)]
    packages.install(new, "PlexSync")
    assert here.status()["totals"]["synced"] == 1
    del here.stash.env["PLEXSYNC_SETTLE"]
    here.edit(film, "After")
    here.arrives(film, "After")


def test_bytecode_that_was_left_behind_is_not_run(
    packages: PackageManager, python: Path, tmp_path: Path, new: str
) -> None:
    """An update whose file has the same size as before counts: Stash gives each the time at which it is written."""
    folder = packages.install(new, "PlexSync")
    module = folder / "plexsync" / "cli.py"
    text = module.read_text("utf-8")
    changed = text.replace("show this text", "SHOW THIS TEXT")
    assert changed != text
    os.utime(module, (0, module.stat().st_mtime - 2))  # as if the update came two seconds later
    command = [str(python), str(folder / "PlexSync.py"), "--help"]
    assert "show this text" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert list((folder / "plexsync" / "__pycache__").glob("cli.*.pyc"))
    with served(release.source(tmp_path / "newer", 3, {"plexsync/cli.py": changed})) as newer:
        packages.install(newer, "PlexSync")
    assert "SHOW THIS TEXT" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("field", "text"),
    [("date", '"2026-01-02"'), ("date", '"2026-01-02T00:00:00Z"'), ("sha256", '"{SHA}"'), ("sha256", '"0"')],
)
def test_what_stash_refuses(packages: PackageManager, tmp_path: Path, field: str, text: str) -> None:
    """The stand-in is as strict as Stash: dates in its form alone, checksums right and in lower case."""
    folder = release.source(tmp_path / "source", 2)
    index = folder / "index.yml"
    lines = index.read_text("utf-8").splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith(f"  {field}:"))
    lines[at] = f"  {field}: " + text.replace("{SHA}", lines[at].split('"')[1].upper())
    index.write_text("\n".join(lines), "utf-8")
    with served(folder) as address, pytest.raises(PackageError):
        packages.install(address, "PlexSync")
    assert not packages.plugins.exists()
