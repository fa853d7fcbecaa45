"""Which folders hold Python's own modules, on every kind of installation."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from plexsync.core import packages

ZIP = f"python{sys.version_info[0]}{sys.version_info[1]}.zip"
LIB = f"python{sys.version_info[0]}.{sys.version_info[1]}"

#: Kind of installation -> the folder of the standard library, Python's own entries, and what else stands there. The
#: prefix is what comes before ``lib`` or ``share``.
LAYOUTS = {
    "Debian": (f"/usr/lib/{LIB}", [f"/usr/lib/{ZIP}", f"/usr/lib/{LIB}", f"/usr/lib/{LIB}/lib-dynload"],
               [f"/usr/local/lib/{LIB}/dist-packages", "/usr/lib/python3/dist-packages", "/usr/share/mailman"]),
    "Alpine": (f"/usr/lib/{LIB}", [f"/usr/lib/{ZIP}", f"/usr/lib/{LIB}", f"/usr/lib/{LIB}/lib-dynload"],
               [f"/usr/lib/{LIB}/site-packages"]),
    "Fedora": (f"/usr/lib64/{LIB}", [f"/usr/lib64/{ZIP}", f"/usr/lib64/{LIB}", f"/usr/lib64/{LIB}/lib-dynload"],
               [f"/usr/lib64/{LIB}/site-packages", f"/usr/lib/{LIB}/site-packages"]),
    "pyenv": (f"/opt/pyenv/versions/x/lib/{LIB}", [f"/opt/pyenv/versions/x/lib/{LIB}/lib-dynload",
              f"/opt/pyenv/versions/x/lib/{LIB}", f"/opt/pyenv/versions/x/lib/{ZIP}"],
              [f"/opt/pyenv/versions/x/lib/{LIB}/site-packages"]),
    "macOS": (f"/Library/Frameworks/Python.framework/Versions/Current/lib/{LIB}",
              [f"/Library/Frameworks/Python.framework/Versions/Current/lib/{name}" for name in
               (ZIP, LIB, f"{LIB}/lib-dynload")], ["/Users/a/Library/Python/3/lib/python/site-packages"]),
    "compiled modules elsewhere": (f"/usr/share/{LIB}", [f"/usr/share/{LIB}", f"/usr/lib/{LIB}/lib-dynload"], []),
    "another Python on PYTHONPATH": (f"/usr/lib/{LIB}", [f"/usr/lib/{LIB}"],
                                     ["/opt/lib/python3.9", "/opt/lib/python3.9/lib-dynload", "/opt/python39.zip"]),
}  # fmt: skip

#: What is called like Python's own, and lies in another place.
NAMESAKES = [f"/plugins/{ZIP}", f"/plugins/{LIB}", f"/plugins/{LIB}/lib-dynload", f"/plugins/lib/{LIB}/lib-dynload"]


@pytest.mark.parametrize(("library", "own", "others"), LAYOUTS.values(), ids=LAYOUTS)
def test_pythons_own_folders(monkeypatch: pytest.MonkeyPatch, library: str, own: list[str], others: list[str]) -> None:
    """They are found wherever they stand among others, and nothing else is taken for one."""
    monkeypatch.setattr(packages, "_library", lambda: library)
    for prefix in ("base_prefix", "base_exec_prefix"):
        monkeypatch.setattr(sys, prefix, re.split("/(?:lib|share)", library)[0])
    others = [*others, "/plugins/community", "/plugins/community/PlexSync", "/opt/tools", *NAMESAKES]
    assert packages.of_python([*others, *own]) == own
    assert packages.of_python([*own, "", *others]) == own
    assert packages.of_python([*others[:1], *own, *others[1:], *own]) == own


def test_an_unknown_kind_of_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no standard library can be told, nothing is left out: a plugin that is shadowed beats one that is dead."""
    monkeypatch.setattr(packages, "_library", lambda: "")
    assert packages.of_python(["/a", "/b/lib-dynload"]) == ["/a", "/b/lib-dynload"]


def test_a_standard_library_in_a_zip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter without a folder of modules, as embedded ones have none, is known by its zip file."""
    (tmp_path / ZIP).touch()
    monkeypatch.setattr(packages, "_library", lambda: "")
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    assert packages.of_python(["/plugins", str(tmp_path / ZIP)]) == [str(tmp_path / ZIP)]


@pytest.mark.parametrize("flags", [[], ["-S"], ["-I"], ["-S", "-E"]], ids=" ".join)
def test_this_pythons_own_folders(flags: list[str]) -> None:
    """Every module of this interpreter that a process has loaded at its start lies in one of them."""
    code = (
        "import sys; from plexsync.core import packages; own = tuple(packages.of_python(sys.path))\n"
        "import _sqlite3, json, ssl, unittest.mock\n"
        "print([n for n in ('json', 'ssl', 'unittest.mock', '_sqlite3', '_json') if n in sys.modules and\n"
        "       not getattr(sys.modules[n], '__file__', own[0]).startswith(own)], len(own) < 4)"
    )
    code = f"import sys; sys.path.insert(0, {str(Path(packages.__file__).parents[2])!r})\n{code}"
    done = subprocess.run([sys.executable, *flags, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] True\n"
