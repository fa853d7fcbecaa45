"""A release runs with the packages that it brings, whatever else this machine has under their names."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plexsync.core import environment
from tests.support import interpreters, release
from tests.support.hook_events import GOOD, at
from tests.support.installation import Installation
from tests.support.processes import until, worker_held

pytestmark = pytest.mark.usefixtures("unmeasured")

#: What a release brings.
BUNDLED = (
    *("requests", "urllib3", "plexapi", "stashapi", "persistqueue", "unidecode"),
    *("charset_normalizer", "certifi", "idna", "typing_extensions"),
)
#: What those use where it is installed.
OPTIONAL = (
    *("simplejson", "chardet", "brotli", "brotlicffi", "zstandard", "h2", "socks", "cryptography", "OpenSSL"),
    *("websocket", "tqdm", "jwt"),
)
#: Modules of Python that other people have called their own files: any but the package that Python itself loads before
#: the first line of PlexSync.
OF_PYTHON = tuple(sorted(name for name in sys.stdlib_module_names - {"encodings"} if not name.startswith("__")))

#: A module that nobody may import, and one that somebody imports before PlexSync does.
BROKEN, LOADED = "raise RuntimeError(__file__)\n", "__version__ = '0.0.1'\n"

#: Says where everything came from that a process of PlexSync loads, and which versions the report names.
PROBE = """
import sys
sys.path.insert(0, {plugin!r})
from plexsync.core import environment
environment.find_packages()
import importlib, importlib.metadata, json
from plexsync import requirements
from plexsync.plex.client import load_plexapi
missing = requirements.missing()
requirements.load()
load_plexapi("probe")
importlib.import_module("plexsync.daemon.run")
files = {{name: getattr(module, "__file__", None) for name, module in sys.modules.items() if name != "__main__"}}
versions = {{name: importlib.metadata.version(name) for name in requirements.PACKAGES.values()}}
print(json.dumps([missing, files, versions, sys.path, len(sys.meta_path), sys._stdlib_dir]))
"""

#: Prepares a virtual environment; what to add to the environment, and the interpreter's flags.
Kind = Callable[[Path, Path], tuple[dict[str, str], list[str]]]


def modules(folder: Path, names: tuple[str, ...] = (*BUNDLED, *OPTIONAL, *OF_PYTHON), text: str = BROKEN) -> Path:
    """Put modules of these names into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.py").write_text(text, "utf-8")
    return folder


def installed(venv: Path, plugins: Path) -> tuple[dict[str, str], list[str]]:
    """The virtual environment has them."""
    modules(interpreters.packages_of(venv), (*BUNDLED, *OPTIONAL))
    return {}, []


def beside_the_plugin(venv: Path, plugins: Path) -> tuple[dict[str, str], list[str]]:
    """They lie in the folder of all plugins, which Stash puts on ``PYTHONPATH``, and in PlexSync's own."""
    modules(plugins)
    return {"PYTHONPATH": str(plugins)}, []


def in_the_user_site(venv: Path, plugins: Path) -> tuple[dict[str, str], list[str]]:
    """``pip install --user`` put them there."""
    modules(interpreters.packages_of(venv / "user"), (*BUNDLED, *OPTIONAL))
    config = venv / "pyvenv.cfg"
    config.write_text(config.read_text("utf-8").replace("packages = false", "packages = true"), "utf-8")
    return {"PYTHONUSERBASE": str(venv / "user")}, []


def by_a_pth_file(venv: Path, plugins: Path) -> tuple[dict[str, str], list[str]]:
    """A ``.pth`` file puts their folder before Python's own, and another one appends it."""
    folder = str(modules(venv / "elsewhere"))
    packages = interpreters.packages_of(venv)
    (packages / "first.pth").write_text(f"import sys; sys.path.insert(0, {folder!r})\n", "utf-8")
    (packages / "last.pth").write_text(f"{folder}\n", "utf-8")
    return {}, []


def loaded_before(venv: Path, plugins: Path) -> tuple[dict[str, str], list[str]]:
    """A ``.pth`` file has imported them already, and one of Python's own from elsewhere."""
    packages = modules(interpreters.packages_of(venv), (*BUNDLED, *OPTIONAL, "queue"), LOADED)
    names = ", ".join((*BUNDLED, *OPTIONAL, "queue"))
    text = f"import sys; sys.path.insert(0, {str(packages)!r}); import {names}; sys.path.pop(0)\n"
    (packages / "early.pth").write_text(text, "utf-8")
    return {}, []


def by_sitecustomize(venv: Path, plugins: Path) -> tuple[dict[str, str], list[str]]:
    """``sitecustomize`` and ``usercustomize`` do both."""
    packages = modules(interpreters.packages_of(venv), BUNDLED, LOADED)
    text = f"import requests, sys\nsys.path.insert(0, {str(modules(venv / 'elsewhere'))!r})\n"
    for name in ("sitecustomize", "usercustomize"):
        (packages / f"{name}.py").write_text(text, "utf-8")
    return {}, []


def editable(venv: Path, plugins: Path) -> tuple[dict[str, str], list[str]]:
    """A finder as editable installs bring one, and a path hook, stand before Python's own."""
    folder = modules(venv / "elsewhere", (*BUNDLED, *OPTIONAL), BROKEN)
    (interpreters.packages_of(venv) / "finder.py").write_text(
        "import sys\nfrom _frozen_importlib_external import PathFinder\n\n\n"
        "class Finder:\n    @staticmethod\n    def find_spec(name, path=None, target=None):\n"
        f"        return None if '.' in name else PathFinder.find_spec(name, [{str(folder)!r}])\n\n\n"
        "def hook(path):\n    if path.endswith('packages'):\n        return Finder\n    raise ImportError\n\n\n"
        "sys.meta_path.insert(0, Finder)\nsys.path_hooks.insert(0, hook)\n",
        "utf-8",
    )
    (interpreters.packages_of(venv) / "editable.pth").write_text("import finder\n", "utf-8")
    return {}, []


def isolated(venv: Path, plugins: Path) -> tuple[dict[str, str], list[str]]:
    """``python -I`` in a virtual environment that has them."""
    return installed(venv, plugins)[0], ["-I"]


def safe_path(venv: Path, plugins: Path) -> tuple[dict[str, str], list[str]]:
    """``PYTHONSAFEPATH`` keeps the script's own folder off the path."""
    env, _ = beside_the_plugin(venv, plugins)
    return {**env, "PYTHONSAFEPATH": "1"}, []


def without_site(venv: Path, plugins: Path) -> tuple[dict[str, str], list[str]]:
    """``-S``, as the manifest says, with the folder of all plugins on ``PYTHONPATH``."""
    return beside_the_plugin(venv, plugins)[0], ["-S"]


def with_a_home(venv: Path, plugins: Path) -> tuple[dict[str, str], list[str]]:
    """``PYTHONHOME`` names Python's own folder."""
    return {**beside_the_plugin(venv, plugins)[0], "PYTHONHOME": f"{sys.base_prefix}:{sys.base_exec_prefix}"}, []


def with_a_slash(venv: Path, plugins: Path) -> tuple[dict[str, str], list[str]]:
    """Folders on ``PYTHONPATH`` that are not written as Python writes them, and the current one."""
    modules(plugins)
    spelled = [f"{plugins}{os.sep}", str(plugins / ".." / plugins.name), ".", ""]
    return {"PYTHONPATH": os.pathsep.join(spelled)}, ["-S"]


def called_like_pythons_own(venv: Path, plugins: Path) -> tuple[dict[str, str], list[str]]:
    """Folders and a zip file on ``PYTHONPATH`` with the names of those that hold Python's own modules."""
    major, minor = sys.version_info[:2]
    zipped = plugins / f"python{major}{minor}.zip"
    compiled = modules(plugins / f"python{major}.{minor}" / "lib-dynload")
    modules(compiled.parent)
    with zipfile.ZipFile(zipped, "w") as archive:
        for name in (*BUNDLED, *OPTIONAL, *OF_PYTHON):
            archive.writestr(f"{name}.py", BROKEN)
    return {"PYTHONPATH": os.pathsep.join(map(str, (zipped, compiled, compiled.parent)))}, ["-S"]


KINDS: list[Kind] = [
    *(installed, beside_the_plugin, in_the_user_site, by_a_pth_file, loaded_before, by_sitecustomize, editable),
    *(isolated, safe_path, without_site, with_a_home, with_a_slash, called_like_pythons_own),
]


@pytest.fixture(scope="module")
def plugin() -> Path:
    """The folder of an unpacked release."""
    return release.unpack_once()


def probed(command: list[str], plugin: Path, env: dict[str, str], cwd: Path) -> Any:
    """Return what ``PROBE`` says in such a process."""
    whole = {**{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}, **env}
    script = cwd / "probe.py"  # newer versions of Python import more, before the first line, to run what follows -c
    script.write_text(PROBE.format(plugin=str(plugin)), "utf-8")
    done = subprocess.run([*command, str(script)], capture_output=True, text=True, env=whole, cwd=cwd, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_nothing_comes_from_anywhere_else(plugin: Path, tmp_path: Path, kind: Kind) -> None:
    """Every module that is loaded afterwards is Python's own, PlexSync's, or one of the release, whatever was tried."""
    python = interpreters.bare(tmp_path / "venv")
    env, flags = kind(tmp_path / "venv", tmp_path / "plugins")
    cwd = modules(tmp_path / "cwd")
    missing, files, versions, path, finders, library = probed([str(python), *flags], plugin, env, cwd)
    assert missing == []
    own = (str(plugin / "plexsync"), str(plugin / "packages"), library)
    strangers = {name: file for name, file in files.items() if file and not file.startswith(own)}
    assert strangers == {}
    assert not [file for file in files.values() if file and file.startswith(library) and "-packages" in file]
    assert set(BUNDLED) - {"typing_extensions"} <= {name for name in files if name in BUNDLED}
    assert not set(OPTIONAL) & set(files)
    assert [version for version in versions.values() if version == "0.0.1"] == []
    assert path[-1] == str(plugin / "packages")
    assert str(plugin) not in path
    assert finders == 3


#: How a hook may be started. By the manifest, Python has not even loaded ``site``; the others are somebody's own.
HOOK_KINDS: list[tuple[Kind, bool]] = [
    *((kind, True) for kind in (without_site, with_a_slash, called_like_pythons_own)),
    *((kind, False) for kind in (installed, by_a_pth_file, isolated, safe_path)),
]


@pytest.mark.parametrize(("kind", "is_ours"), HOOK_KINDS, ids=[kind.__name__ for kind, _ in HOOK_KINDS])
def test_a_hook_loads_nothing_from_anywhere_else(tmp_path: Path, kind: Kind, is_ours: bool) -> None:
    """A hook queues its edit wherever broken namesakes of Python's modules lie, and loads nothing to avoid them."""
    plugins, venv = tmp_path / "plugins", tmp_path / "venv"
    script = release.unpack(plugins / "PlexSync")
    command = [str(interpreters.bare(venv))]
    env, flags = kind(venv, plugins)
    modules(script.parent, OF_PYTHON)
    whole = {**{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}, **env}
    cwd = modules(tmp_path / "cwd")
    command += ["-X", "importtime", *flags, str(script)]
    with worker_held(Path(environment.data_dir(str(tmp_path)))):
        for raw, said in ((GOOD, "queued scene:1"), (b"\xff" + GOOD, "could not read the JSON")):
            stdin = at(tmp_path, raw)
            done = subprocess.run(command, input=stdin, capture_output=True, env=whole, cwd=cwd, check=False)
            lines = done.stderr.decode().splitlines()
            assert [line for line in lines if not line.startswith("import time:")] == []
            assert said in done.stdout.decode()
    assert any("plexsync.core.packages" in line for line in lines) is not is_ours


@pytest.fixture
def surrounded(tmp_path: Path) -> Iterator[Installation]:
    """A release among everything at once, in an interpreter that has its own of each package, loaded already."""
    venv, plugins = tmp_path / "venv", tmp_path / "plugins"
    python = interpreters.bare(venv)
    loaded_before(venv, plugins)
    editable(venv, plugins)
    modules(plugins)
    script = release.unpack(plugins / "PlexSync")
    modules(script.parent)
    with Installation(tmp_path, script=script, PYTHONPATH=f"{modules(tmp_path / 'more')}{os.sep}") as made:
        made.stash.python = str(python)
        yield made


def test_every_process_is_unharmed(surrounded: Installation) -> None:
    """Hook, worker, idle process, probe, task, operation and command line work among broken namesakes of everything."""
    film = surrounded.film()
    surrounded.edit(film, "First")
    surrounded.arrives(film, "First")
    assert surrounded.call("check_setup")["ok"] is True
    assert surrounded.call("overview")["health"]["state"] in ("ok", "busy")
    assert surrounded.command("status", "--json")["problem"] is None
    assert surrounded.task("preview").error is None
    surrounded.plex.stop()
    surrounded.edit(film, "Second")
    until(lambda: surrounded.status()["breaker"]["state"] != "closed", what="an outage")
    surrounded.plex.start()
    surrounded.arrives(film, "Second")
    report = surrounded.call("report")["text"]
    assert "0.0.1" not in report
    assert "Packages: stashapi 0.1" in report
    assert '"level": "error"' not in surrounded.log()


@pytest.mark.parametrize("gone", ["requests", "urllib3"])
def test_missing_files_are_no_matter_for_pip(tmp_path: Path, gone: str) -> None:
    """Where files of a release are missing, everything says so and how to mend it; the edit waits, and arrives then."""
    script = release.unpack(tmp_path / "plugins" / "PlexSync")
    package = script.parent / "packages" / gone
    with Installation(tmp_path, script=script) as here:
        here.stash.python = str(interpreters.bare(tmp_path / "venv"))
        shutil.move(package, tmp_path / "away")
        film = here.film()
        here.edit(film, "Title")
        problem = until(lambda: here.status()["problem"], what="a problem")
        said = [problem, str(here.stash.run_operation({"mode": "check_setup"}).error)]
        for text in said:
            assert "plugin's files are incomplete or mixed" in text
            assert gone in text
            assert "Reinstall PlexSync under Settings > Plugins" in text
            assert "pip" not in text
        shutil.move(tmp_path / "away", package)
        here.arrives(film, "Title")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("plexapi/__init__.py", "raise RuntimeError('half')"),
        ("unidecode/__init__.py", "def half("),
        ("persistqueue/__init__.py", "import os\n" + "\0" * 40),
        ("stashapi/__init__.py", "import stashapi.nowhere"),
    ],
)
def test_damaged_packages_are_the_plugins_own_files(tmp_path: Path, file: str, text: str) -> None:
    """A package of a release that cannot be loaded is repaired by installing PlexSync again."""
    script = release.unpack(tmp_path / "plugins" / "PlexSync")
    (script.parent / "packages" / file).write_text(text, "utf-8")
    command = [str(interpreters.bare(tmp_path / "venv")), "-c", "from plexsync.core import environment as e\n"]
    command[-1] += "e.find_packages()\nfrom plexsync import requirements as r\nimport importlib\n"
    command[-1] += "try:\n    [importlib.import_module(name) for name in r.PACKAGES]\n"
    command[-1] += "except BaseException as error:\n    print(r.cannot_load_sentence(error))\n"
    said = subprocess.run(command, capture_output=True, text=True, cwd=script.parent, check=True).stdout
    assert "plugin's files are incomplete or mixed (" in said
    assert "Reinstall PlexSync" in said
    assert "pip" not in said
